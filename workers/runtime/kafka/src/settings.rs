//! Connection settings from the spec and the mounted secret.

use std::time::Duration;

use foresail_crds::worker_config::KafkaAddress;
use foresail_crds::worker_config::secret as system;
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
        })
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
