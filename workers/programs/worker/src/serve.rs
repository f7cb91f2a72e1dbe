//! `foresail-worker serve`: a folder of versions without a cluster. People start it by hand, so what is wrong with what they
//! named is one line in words.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use foresail_crds::exit_code;
use foresail_crds::role_error::presentable;
use foresail_domain::{Interval, TradingCalendar};
use foresail_predict::{Alone, TlsFiles};
use foresail_runtime_base::Shutdown;
use serde::de::DeserializeOwned;

/// First argument of the program.
pub(crate) const NAME: &str = "serve";
/// Longest line of an error, in characters.
const LONGEST_LINE: usize = 1_000;
/// Longest name of a model, as that of a Pipeline in Kubernetes.
const LONGEST_NAME: usize = 253;

/// Serves the versions in a folder, without Kubernetes, Kafka, S3 and Redis.
#[derive(Parser, Debug)]
#[command(name = "foresail-worker serve", version)]
#[command(group(ArgGroup::new("access").required(true).args(["api_keys", "anonymous"])))]
pub(crate) struct Args {
    /// Model and the folder of its versions, each `<number>/manifest.json` with the weights beside it. The highest number
    /// answers; a new one takes over while requests go on.
    #[arg(long, value_name = "NAME=DIR", value_parser = model)]
    model: (String, PathBuf),
    /// Where requests are answered, as 0.0.0.0:8080.
    #[arg(long, value_name = "ADDR")]
    http: SocketAddr,
    /// Where /healthz, /readyz and /metrics are.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Certificate of the server, PEM; a new one is taken up while requests go on.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authorities of clients, PEM: each client must show a certificate of one of them.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Folder of keys, one in each file: `Authorization: Bearer KEY`.
    #[arg(long, value_name = "DIR")]
    api_keys: Option<PathBuf>,
    /// Answer anybody.
    #[arg(long)]
    anonymous: bool,
    /// Calendar of bars in requests, as `spec.calendar` of a Pipeline.
    #[arg(long, default_value = "", hide_default_value = true, value_parser = word::<TradingCalendar>)]
    calendar: TradingCalendar,
    /// Length of a bar in requests, as `spec.source.interval` of a Pipeline.
    #[arg(long, default_value = "", hide_default_value = true, value_parser = word::<Interval>)]
    interval: Interval,
}

/// Runs it with the arguments behind its name.
pub(crate) async fn run(arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let name = std::ffi::OsString::from("foresail-worker serve");
    let args = match Args::try_parse_from(std::iter::once(name).chain(arguments)) {
        Ok(args) => args,
        Err(help) if !help.use_stderr() => {
            help.print().ok();
            return ExitCode::SUCCESS;
        }
        Err(error) => return refused(&one_line(&error)),
    };
    let started = match foresail_predict::start(args.into()).await {
        Ok(started) => started,
        Err(error) => return refused(&format!("error: {error}")),
    };
    foresail_runtime_base::init(NAME);
    match started.run(Shutdown::on_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_code_for(&error),
    }
}

impl From<Args> for Alone {
    fn from(args: Args) -> Self {
        let (model, folder) = args.model;
        let tls = args.tls_cert.zip(args.tls_key);
        Self {
            tls: tls.map(|(certificate, key)| TlsFiles {
                certificate,
                key,
                client_ca: args.client_ca,
            }),
            model,
            folder,
            http: args.http,
            admin: args.admin,
            api_keys: args.api_keys.filter(|_| !args.anonymous),
            calendar: args.calendar,
            interval: args.interval,
        }
    }
}

fn refused(line: &str) -> ExitCode {
    eprintln!("{}", presentable(line, LONGEST_LINE));
    ExitCode::from(exit_code::USER)
}

/// What clap says, without how the program is called.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let said = lines.take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    said.join(" ")
}

/// `NAME=DIR`.
fn model(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text
        .split_once('=')
        .ok_or("it must have the form NAME=DIR")?;
    let is_sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_sign) {
        let message = "a name has up to 253 letters, digits, hyphens, underscores and points";
        return Err(message.into());
    }
    if folder.is_empty() {
        return Err("it names no folder".into());
    }
    Ok((name.into(), folder.into()))
}

/// A word as a Pipeline has it; the default of a Pipeline when it is empty.
fn word<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    if text.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_value(text.into()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("serve").chain(line.split(' ')))
    }

    #[test]
    fn the_arguments_of_the_manual_are_taken() {
        Args::command().debug_assert();
        let args = "--model five=/m --http 0.0.0.0:8443 --tls-cert c --tls-key k --client-ca a --api-keys /k \
             --interval 5m --calendar Weekdays";
        let alone = Alone::from(parse(args).unwrap());
        assert_eq!((alone.model.as_str(), alone.folder), ("five", "/m".into()));
        assert_eq!(alone.tls.unwrap().client_ca, Some("a".into()));
        assert_eq!(alone.api_keys, Some("/k".into()));
        assert_eq!(alone.interval, Interval::FiveMinutes);
        assert_eq!(alone.calendar, TradingCalendar::Weekdays);
        let anonymous = parse("--model five=/m --http 127.0.0.1:0 --anonymous").unwrap();
        let alone = Alone::from(anonymous);
        assert!(alone.tls.is_none() && alone.api_keys.is_none());
        assert_eq!(alone.interval, Interval::default());
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        let good = "--model five=/m --http 127.0.0.1:0";
        for (line, expected) in [
            (good.to_string(), "--api-keys"),
            (
                format!("{good} --anonymous --api-keys k"),
                "cannot be used with",
            ),
            (format!("{good} --anonymous --tls-cert c"), "--tls-key"),
            (format!("{good} --anonymous --client-ca c"), "--tls-cert"),
            (format!("{good} --anonymous --interval 7m"), "7m"),
            (format!("{good} --anonymous --nothing"), "--nothing"),
            ("--http 127.0.0.1:0 --anonymous".into(), "--model"),
            (
                "--model five --http 127.0.0.1:0 --anonymous".into(),
                "NAME=DIR",
            ),
            (
                "--model a/b=c --http 127.0.0.1:0 --anonymous".into(),
                "a name has",
            ),
            (
                "--model five= --http 127.0.0.1:0 --anonymous".into(),
                "no folder",
            ),
            (
                "--model five=/m --http nowhere --anonymous".into(),
                "nowhere",
            ),
        ] {
            let said = one_line(&parse(&line).unwrap_err());
            assert!(said.starts_with("error: "), "{said}");
            assert!(said.contains(expected), "{line}: {said}");
            assert!(!said.contains('\n') && !said.contains("Usage"), "{said}");
        }
    }
}
