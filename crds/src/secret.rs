//! Outside systems a role may hold a Secret of, as folders of `SECRETS_DIR`; each key is a file. Beside these keys each may
//! have `hosts` (names or `*.suffix` its credentials are for) and `plaintext` (`true`: also where nothing is encrypted).

/// S3 of the lake and artifacts: files `accessKeyId`, `secretAccessKey`.
pub const LAKE: &str = "lake";
/// S3 or HTTP source: `accessKeyId`, `secretAccessKey`, or `token` with `hosts`.
pub const SOURCE: &str = "source";
/// Account with a provider of market data: file `apiKey`.
pub const PROVIDER: &str = "provider";
/// Accounts that are asked beside that one, in the order in which the source names them: each as [`PROVIDER`].
pub const OTHER_PROVIDERS: [&str; 3] = ["provider-2", "provider-3", "provider-4"];
/// Kafka SASL: files `username`, `password`; optional `ca.crt`.
pub const KAFKA: &str = "kafka";
/// Certificate of the predictors: files `tls.crt` and `tls.key`, as cert-manager writes them.
pub const TLS: &str = "tls";
/// Authorities of the predictors' clients: file `ca.crt`.
pub const CLIENT_CA: &str = "client-ca";
/// Redis: files `username` (optional), `password` with `hosts`.
pub const REDIS: &str = "redis";
