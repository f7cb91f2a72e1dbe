//! `spec.source`: CSV files, providers of market data, the market simulator and the bars of another Pipeline; backfill and
//! replay.

use foresail_domain::{Interval, Symbol};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;
use crate::duration::DurationString;

/// Where bars come from.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.csv), has(self.provider), has(self.simulator), has(self.pipelineRef)].filter(s, s).size() == 1 || (has(self.csv) && has(self.provider) && !has(self.simulator) && !has(self.pipelineRef))").message("source must have exactly one of csv, provider, simulator and pipelineRef; csv may stand beside provider as its history"),
    validation = Rule::new("!has(self.pipelineRef) || !(has(self.backfill.from) || has(self.backfill.to) || has(self.replay) || has(self.onSuspicion))").message("source.backfill, source.replay and source.onSuspicion must not be set when source.pipelineRef is used: those of the Pipeline that it names count"),
    validation = Rule::new("has(self.pipelineRef) == has(oldSelf.pipelineRef) && (!has(self.pipelineRef) || self.pipelineRef.name == oldSelf.pipelineRef.name)").message("source.pipelineRef cannot be added, changed or removed: make another Pipeline"),
    validation = Rule::new("!has(self.provider) || !has(self.replay)").message("source.replay must not be set when source.provider is used: its bars arrive live"),
    validation = Rule::new("!has(self.fallback) || has(self.provider)").message("source.fallback must not be set without source.provider: it names other accounts for what that one cannot give"),
    validation = Rule::new("!has(self.fallback) || !has(self.provider) || self.fallback.all(f, f.account != self.provider.account)").message("source.fallback must not name the account of source.provider"),
    validation = Rule::new("!has(self.quorum) || has(self.provider)").message("source.quorum must not be set without source.provider: it names a second account"),
    validation = Rule::new("!has(self.quorum) || !has(self.provider) || self.quorum.account != self.provider.account").message("source.quorum must name another account than source.provider"),
    validation = Rule::new("self.interval == '1d' || !(has(self.fallback) || has(self.quorum))").message("source.interval must be 1d when source.fallback or source.quorum is used"),
    validation = Rule::new("!has(self.backfill.from) || !has(self.backfill.to) || self.backfill.from <= self.backfill.to").message("source.backfill.from must not be after source.backfill.to"),
    validation = Rule::new("!has(self.replay) || has(self.backfill.to)").message("source.backfill.to must be set when source.replay is used: replay starts on the next session")
)]
pub struct SourceSpec {
    /// Length of a bar: `1m`, `5m`, `15m`, `30m`, `1h`, or `1d` for a session. The event time of a bar is its end. `horizon`,
    /// `lookback`, windows of features and `season` count bars; fields whose names end in `Sessions` count sessions of the
    /// calendar, each of as many bars as a usual session has. Bars are counted from the open of a session and anew after its
    /// break; the last one before a break or the close may be shorter. Once bars are stored, another interval is refused as
    /// `IntervalConflict`.
    #[serde(default)]
    pub interval: Interval,
    /// Bars in a CSV file on S3 or HTTP. Beside `provider` it is the history: it is read first, once, and the provider is
    /// asked for what is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvSource>,
    /// Bars from a provider of market data, asked symbol by symbol. A free key of Alpha Vantage reaches back 100 sessions:
    /// name a file with the years before in `csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderSource>,
    /// Up to 2 other accounts, asked in this order for bars that the account of `provider` cannot give: at once when it is not to
    /// be asked (its requests are used up, its key is refused) or does not know the symbol, and `provider.poll` after a bar was
    /// due when it does not answer or has no bar; for a gap once it was asked for in vain. They fill what is missing and change
    /// no bar. When the account of `provider` has such a bar later, with other numbers, that is a revision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["account"]))]
    pub fallback: Vec<FallbackSource>,
    /// A second account that confirms each bar by its close, corrections included. A bar of which the two differ goes to quarantine as
    /// `SourcesDiffer`, with both closes, and is compared anew with each answer that has it. One that the second account does not
    /// have waits for it for the time of `provider.poll`, and is sent then, and counted; so is one between others that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumSource>,
    /// Deterministic market simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorSource>,
    /// Another Pipeline of this namespace whose bars are read, in place of a source of its own: nothing is asked twice. It needs a
    /// source of its own, and the same `interval`, `calendar`, `calendarOverrides`, `kafka.bootstrapServers`,
    /// `kafka.topicPrefix` and `kafka.partitions`; `instruments` are some of its. It says what is backfilled and replayed.
    /// Cannot be added, changed or removed: positions count in its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_ref: Option<PipelineRef>,
    /// How corporate actions enter features, labels and errors. Raw bars are stored either way.
    #[serde(default)]
    pub adjustment: Adjustment,
    /// Range that is loaded as fast as possible before anything else.
    #[serde(default)]
    pub backfill: DateRange,
    /// Plays later rows of the source as if they arrived live. Without it the source is read
    /// to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplaySpec>,
    /// Sessions of the calendar that may end without a new bar of any instrument, 1 to 250, before `DataFresh` is False
    /// with the reason `SourceStale`. Weekends and holidays do not count. Without it 3, unless the newest bar was older
    /// than that already when the Pipeline was made: a file of the past is not expected to go on. A simulator, a replay
    /// and a source that ends at `backfill.to` are never judged by the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 250))]
    pub stale_after_sessions: Option<u32>,
    /// What becomes of moves that may be mistakes of the source. Without it `Stop` for a first training, and `Warn` once there
    /// is a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_suspicion: Option<OnSuspicion>,
}

impl SourceSpec {
    /// Accounts that are asked beside the one of `provider`, each once, in order.
    pub fn other_accounts(&self) -> impl Iterator<Item = &str> {
        let falls_back = |account: &str| self.fallback.iter().any(|f| f.account == account);
        let quorum = self.quorum.as_ref().map(|quorum| &*quorum.account);
        let quorum = quorum.filter(|account| !falls_back(account));
        let fallback = self.fallback.iter().map(|fallback| &*fallback.account);
        fallback.chain(quorum)
    }
}

/// What becomes of moves that may be mistakes of the source, and may be none: a one-session move that a usual split
/// explains within 2 % and that no column or adjusted close declares (`SuspectedSplit`), all prices 50 times or more
/// those before, or a fiftieth of them (`SuspectedUnit`), and a tripling or worse in a session (`PriceJump`). `Warn` uses
/// these bars and tells the moves in `status.ingest.suspicions`. `Quarantine` holds them back, until the third in a row is on
/// the new level. `Stop` is as `Warn`, and no training starts. Without it `Stop` for a first training, and `Warn` once there
/// is a version. A single bar in another unit goes to quarantine whatever is declared here.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnSuspicion {
    /// The bar is used, and the move is told in `status.ingest.suspicions`.
    Warn,
    /// The bar goes to quarantine, and so does the next when it fits the first. The third in a row is taken for a new level of
    /// the price: it is used, and told.
    Quarantine,
    /// The bar is used and the move is told, and no training starts: `TrainingHealthy` says which moves there are.
    Stop,
}

impl OnSuspicion {
    /// What a person can do about suspicious moves, for a message.
    pub const ADVICE: &str = "correct the source, name its column of splits in source.csv.columns.splitFactor, or set \
                              source.onSuspicion to Warn to learn from these moves as they are, or to Quarantine to hold \
                              them back";
}

/// Bars in a CSV file.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.uri.startsWith('s3://') || has(self.endpoint)").message("source.csv.endpoint must be set when source.csv.uri starts with s3://"),
    validation = Rule::new("!self.uri.startsWith('s3://') || self.uri.matches('^s3://[^*/]+/')").message("source.csv.uri may have * only behind the bucket: s3://bucket/daily/*.csv"),
    validation = Rule::new("!has(self.poll) || self.poll.matches('^([1-9][0-9]{1,6}s|[1-9][0-9]{0,6}[mhd])$')").message("source.csv.poll must be at least 10s")
)]
pub struct CsvSource {
    /// `s3://bucket/key`, `http://...` or `https://...`: CSV, Parquet or an Arrow file, by content. gzip and Zstandard are
    /// unpacked. On S3, `*` stands for any letters but `/`: `s3://bucket/daily/*.csv` is all such files, up to 10000, in
    /// the order of their names. Only public addresses are read, and the networks that the administrator allows.
    #[schemars(
        length(min = 8, max = 1024),
        regex(pattern = r"^(s3|https?)://[^\s/]+/\S+$")
    )]
    pub uri: String,
    /// S3 endpoint URL, for example `https://s3.eu-west-1.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://\S+$"))]
    pub endpoint: Option<String>,
    /// S3 region.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Secret in this namespace with `accessKeyId` and `secretAccessKey` (S3), or with `token` (HTTP
    /// bearer) and `hosts`: the hosts it may be sent to, names or `*.suffix`, by comma or line. Over
    /// `http://` it is sent only when the Secret has `plaintext: "true"`. Mounted as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Column names of the file. Where a name is left at its default, the usual names of vendors are known as well, such as
    /// `Adj Close`, `Close/Last`, `4. close`, `<VOL>` or `timestamp`; those of splits and dividends are not, since beside
    /// adjusted prices they would count twice.
    #[serde(default)]
    pub columns: CsvColumns,
    /// How the text of the file is read. What is not set here is found in the first MiB of the file; numbers and dates
    /// that can be read in two ways are an error that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<CsvDialect>,
    /// Symbol of every row when the file has no symbol column, as in `instruments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Symbol>")]
    pub symbol: Option<String>,
    /// How often the file is looked at again once it was read, at least 10s. Rows that were added arrive then. A file
    /// that has changed in another way, such as one that holds the newest sessions only, is read by symbol and session:
    /// what is newer than the newest bar sent of its symbol arrives, the rest is counted as unchanged. So are the sessions
    /// that a file of several has in common with those before it.
    #[serde(default = "default_poll")]
    pub poll: DurationString,
    /// How a zero open is read: vendors write 0 where the open is unknown.
    #[serde(default = "yes")]
    pub zero_open_is_missing: bool,
}

impl CsvSource {
    /// The same file read by a probe, which neither looks again nor checks prices: the rest concerns ingest alone.
    pub fn probed(&self) -> Self {
        Self {
            poll: default_poll(),
            zero_open_is_missing: yes(),
            ..self.clone()
        }
    }
}

/// Column names of a CSV file, matched without regard to case.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct CsvColumns {
    /// Instrument code; ignored when `symbol` is set on the source.
    #[schemars(length(min = 1, max = 64))]
    pub symbol: String,
    /// Session date, `YYYY-MM-DD`; with an interval below `1d` the date and the time of day of a bar, or its date alone where
    /// `time` is a column of its own.
    #[schemars(length(min = 1, max = 64))]
    pub date: String,
    /// Time of day, where it is apart from the date; looked for with an interval below `1d` alone.
    // What was read before this field is still the same reading.
    #[serde(skip_serializing_if = "is_usual_time")]
    #[schemars(length(min = 1, max = 64))]
    pub time: String,
    /// First price.
    #[schemars(length(min = 1, max = 64))]
    pub open: String,
    /// Highest price.
    #[schemars(length(min = 1, max = 64))]
    pub high: String,
    /// Lowest price.
    #[schemars(length(min = 1, max = 64))]
    pub low: String,
    /// Last price, as traded.
    #[schemars(length(min = 1, max = 64))]
    pub close: String,
    /// Traded volume.
    #[schemars(length(min = 1, max = 64))]
    pub volume: String,
    /// Fully adjusted close; splits and dividends are derived from it when the columns below are absent.
    #[schemars(length(min = 1, max = 64))]
    pub adjusted_close: String,
    /// Split factor effective that day (2 for a 2:1 split).
    #[schemars(length(min = 1, max = 64))]
    pub split_factor: String,
    /// Cash dividend that goes ex that day, per share.
    #[schemars(length(min = 1, max = 64))]
    pub dividend: String,
}

fn is_usual_time(name: &str) -> bool {
    name == "time"
}

impl Default for CsvColumns {
    fn default() -> Self {
        Self {
            symbol: "symbol".into(),
            date: "date".into(),
            time: "time".into(),
            open: "open".into(),
            high: "high".into(),
            low: "low".into(),
            close: "close".into(),
            volume: "volume".into(),
            adjusted_close: "adj_close".into(),
            split_factor: "split_factor".into(),
            dividend: "dividend".into(),
        }
    }
}

/// How the text of a CSV file is read.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct CsvDialect {
    /// Encoding of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<CsvEncoding>,
    /// What stands between columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// What stands before the fraction of a number; the other of the two divides thousands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalSign>,
    /// Order of day, month and year in dates such as `03/04/2020`. Dates that begin with the four digits of a year, or name the
    /// month, need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// Which moment of a bar its time is, with an interval below `1d`. Without it `Start`, as nearly all vendors write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Lines before the header, 0 to 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub skip_lines: Option<u32>,
    /// What the columns are: fields of one bar, or fields or closes of several symbols side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<CsvLayout>,
    /// Words that stand for a missing number, beside the usual ones (`-`, `N/A`, `null` and the like), in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 32)))]
    pub nothing: Vec<String>,
}

/// Encoding of a text.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvEncoding {
    /// UTF-8, with or without a mark at its beginning. A row with another byte is refused.
    Utf8,
    /// Windows-1252, of which Latin-1 is a part, whatever the bytes look like.
    Windows1252,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
}

/// What stands between columns.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Pipe,
}

impl Delimiter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    /// The sign.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

/// What stands before the fraction of a number.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalSign {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
}

/// Order of the parts of a date. Two digits are a year from 1970 to 2069.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// `12/31/2020`
    MonthDayYear,
    /// `31/12/2020`
    DayMonthYear,
    /// `20/12/31`; four digits of a year need no word.
    YearMonthDay,
}

/// Which moment of a bar the time in its row is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// Its first one: 09:30 is the bar from 09:30 on.
    #[default]
    Start,
    /// The moment after its last one: 09:30 is the bar until 09:30.
    End,
}

/// What the columns of a file are: those of one bar (`RowPerBar`), of bars of several symbols under header lines of
/// fields and of symbols (`StackedHeader`), or a date and closes of one symbol each (`ColumnPerSymbol`).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvLayout {
    /// A row is one bar. Its symbol is in a column, or that of the source.
    RowPerBar,
    /// Header lines of fields and of symbols above each other, as `download` of yfinance writes them.
    StackedHeader,
    /// A date, and a column of closes that is named by its symbol.
    ColumnPerSymbol,
}

/// Bars from a provider of market data.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.poll.matches('^([1-9][0-9]{1,6}s|[1-9][0-9]{0,6}[mhd])$')").message("source.provider.poll must be at least 10s")
)]
pub struct ProviderSource {
    /// ProviderAccount in this namespace: which provider, its key and its limits. Pipelines of one account share its limits:
    /// new bars go before history, and history before what is read again.
    #[schemars(length(min = 1, max = 63))]
    pub account: String,
    /// Time after the end of a bar at which it is expected. Before, the provider is not asked for it.
    #[serde(default = "default_delay")]
    pub delay: DurationString,
    /// How often a bar that is expected and has not come is asked for again, at least 10s. With an interval below `1d` a symbol
    /// is asked for at most so often: bars that end meanwhile come together, in one answer.
    #[serde(default = "default_provider_poll")]
    pub poll: DurationString,
    /// Newest sessions of each symbol, 0 to 250, that are compared with what was sent of them whenever a new bar is asked for:
    /// they are in the same answer. With an interval below `1d` they are compared with the first bars of a session, and the
    /// session so far with each later one, at most 2000 bars in all. A bar that has changed by more than a part in 100000, or
    /// has got a split or dividend, is sent again with a higher revision; one that was missing is sent late.
    #[serde(default = "default_recheck")]
    #[schemars(range(min = 0, max = 250))]
    pub recheck_sessions: u32,
}

/// Another Pipeline whose bars are read.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRef {
    /// Name of a Pipeline in this namespace. When it is deleted, its topic of bars stays for as long as it is read.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// Another account for what the first one cannot give.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FallbackSource {
    /// ProviderAccount in this namespace, which knows the instruments by the same symbols. Its limits must allow the requests of
    /// this Pipeline as well: they are planned with it each day.
    #[schemars(length(min = 1, max = 63))]
    pub account: String,
}

/// A second account that confirms bars.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuorumSource {
    /// ProviderAccount in this namespace, which knows the instruments by the same symbols: of another provider, since two accounts
    /// of one say the same. It may be one of `fallback`.
    #[schemars(length(min = 1, max = 63))]
    pub account: String,
    /// Largest difference of two closes that agree, as a part of the larger one, 0.00001 to 0.5.
    #[serde(default = "default_tolerance")]
    pub tolerance: Decimal,
}

/// Deterministic market: the same seed gives the same bars, bit for bit.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorSource {
    /// Seed of the generator.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub seed: u64,
    /// First session, `YYYY-MM-DD`; all of its bars are made.
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub start: String,
    /// Number of sessions to generate, 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub sessions: u32,
    /// Annualised volatility of log returns from bar to bar in the calm regime.
    #[serde(default = "default_volatility")]
    pub annual_volatility: Decimal,
    /// Strength of volatility clustering, 0 (none) to 0.98 (weight of the last bar's variance and shock).
    #[serde(default = "default_clustering")]
    pub volatility_clustering: Decimal,
    /// First-order autocorrelation of log returns, -0.9 to 0.9: what a model can learn.
    #[serde(default = "default_autocorrelation")]
    pub autocorrelation: Decimal,
    /// Mean sessions between 2:1 splits; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub split_every_sessions: u32,
    /// One in this many rows is damaged on purpose and must end in quarantine; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub bad_row_every: u32,
    /// One in this many sessions of a symbol is missing, with all its bars; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gap_every_sessions: u32,
    /// A structural break: from that session on the market follows other parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "break")]
    pub break_: Option<SimulatorBreak>,
}

/// New parameters from one session on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorBreak {
    /// Zero-based session index at which the new parameters start.
    #[schemars(range(min = 1, max = 100_000))]
    pub at_session: u32,
    /// Annualised volatility after the break.
    pub annual_volatility: Decimal,
    /// Autocorrelation after the break.
    pub autocorrelation: Decimal,
}

/// Price adjustment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Adjustment {
    /// Prices as traded.
    None,
    /// Splits only.
    Splits,
    /// Splits and cash dividends (total return).
    #[default]
    All,
}

/// A range of session dates, both ends included.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DateRange {
    /// First date, `YYYY-MM-DD`; the start of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: Option<String>,
    /// Last date, `YYYY-MM-DD`; the end of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub to: Option<String>,
}

/// Accelerated live replay.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplaySpec {
    /// Last date to replay, `YYYY-MM-DD`; the end of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub to: Option<String>,
    /// Speed: sessions per second of wall time, up to 10000, whatever the interval: all bars of a session come together. Replay starts when the first
    /// champion serves.
    pub sessions_per_second: Decimal,
}

fn default_delay() -> DurationString {
    "30m".into()
}

fn default_provider_poll() -> DurationString {
    "1h".into()
}

fn default_recheck() -> u32 {
    5
}

fn default_tolerance() -> Decimal {
    "0.001".into()
}

fn default_poll() -> DurationString {
    "5m".into()
}

fn default_region() -> String {
    "us-east-1".into()
}

fn yes() -> bool {
    true
}

fn default_volatility() -> Decimal {
    "0.2".into()
}

fn default_clustering() -> Decimal {
    "0.5".into()
}

fn default_autocorrelation() -> Decimal {
    "0".into()
}
