//! Connection settings from the spec and the mounted secret.

use std::time::Duration;

use foresail_crds::worker_config::KafkaAddress;
use foresail_crds::worker_config::secret as system;
use foresail_runtime_base::credentials::{Destination, Exposure};
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::{Outside, RoleError};
use rdkafka::ClientConfig;

/// How long a request to the cluster may take before it counts as unreachable.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything needed to connect. Cheap to clone; holds the password, so it has no Debug.
#[derive(Clone)]
pub struct Settings {
    client: ClientConfig,
    servers: String,
    effects: Effects,
    is_frugal: bool,
}

impl Settings {
    /// Reads `username`, `password` and `ca.crt` of the mounted Kafka secret, when one is declared.
    ///
    /// # Errors
    /// User errors of the secret files.
    pub fn new(address: &KafkaAddress, outside: &Outside) -> Result<Self, RoleError> {
        let secrets = &outside.secrets;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &address.bootstrap_servers)
            .set("client.id", "foresail")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.connection.setup.timeout.ms", "5000");
        if address.secret_name.is_some() {
            let username = secrets.required(system::KAFKA, "username")?;
            let password = secrets.required(system::KAFKA, "password")?;
            let ca = secrets.path(system::KAFKA, "ca.crt");
            for server in address.bootstrap_servers.split(',') {
                let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
                let to = Destination::new(host.trim(), ca.is_some());
                secrets.may_send(system::KAFKA, &to, Exposure::Proven)?;
            }
            let protocol = if ca.is_some() {
                "sasl_ssl"
            } else {
                "sasl_plaintext"
            };
            client
                .set("security.protocol", protocol)
                .set("sasl.mechanisms", "SCRAM-SHA-512")
                .set("sasl.username", username)
                .set("sasl.password", password);
            if let Some(path) = ca {
                client.set("ssl.ca.location", path.to_string_lossy());
            }
        }
        Ok(Self {
            client,
            servers: address.bootstrap_servers.clone(),
            effects: outside.effects.clone(),
            is_frugal: false,
        })
    }

    /// For a role that reads a whole topic once in a while, and does not wait for it: little is fetched ahead.
    #[must_use]
    pub fn frugal(mut self) -> Self {
        self.is_frugal = true;
        self
    }

    /// Most that a reader fetches ahead, and that it fetches at once, as the client takes it.
    pub(crate) fn ahead(&self) -> [(&'static str, &'static str); 2] {
        let (kib, bytes) = match self.is_frugal {
            true => ("1024", "131072"),
            false => ("8192", "1048576"),
        };
        [
            ("queued.max.messages.kbytes", kib),
            ("fetch.message.max.bytes", bytes),
        ]
    }

    /// For messages.
    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.effects
    }

    pub(crate) fn client(&self) -> ClientConfig {
        self.client.clone()
    }
}

#[cfg(test)]
mod tests {
    use foresail_runtime_base::Secrets;

    use super::*;

    #[test]
    fn a_secret_that_names_hosts_is_for_these_brokers_alone() {
        let folder = std::env::temp_dir().join(format!("foresail-kafka-{}", std::process::id()));
        let secret = folder.join(system::KAFKA);
        std::fs::create_dir_all(&secret).unwrap();
        std::fs::write(secret.join("username"), "u").unwrap();
        std::fs::write(secret.join("password"), "p").unwrap();
        let outside = Outside::plain(Secrets::at(&folder));
        let open = |servers: &str| {
            let address = KafkaAddress {
                bootstrap_servers: servers.into(),
                secret_name: Some("s".into()),
                topic_prefix: String::new(),
            };
            Settings::new(&address, &outside).map(drop)
        };
        // SCRAM does not send the password: without `hosts` it goes on as before.
        assert_eq!(open("evil.com:9092"), Ok(()));
        std::fs::write(secret.join("hosts"), "*.kafka.svc").unwrap();
        assert_eq!(open("a.kafka.svc:9092,b.kafka.svc:9092"), Ok(()));
        let refused = open("a.kafka.svc:9092,evil.com:9092").unwrap_err();
        assert_eq!(refused.reason, "CredentialRefused");
        assert!(refused.message.contains("evil.com"), "{refused}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
