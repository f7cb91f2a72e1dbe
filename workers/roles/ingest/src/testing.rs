//! What Kafka holds after processes that read a source, and die. Used by the tests of what is read.

use std::collections::BTreeMap;

use foresail_bars::{Checker, CsvRows, Described};
use foresail_crds::names::{PipelineName, Topics};
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::records::header;
use foresail_crds::worker_config::IngestConfig;
use foresail_runtime_kafka::{Message, Record};
use serde_json::json;

use crate::batch::{Batch, Progress};
use crate::marks::Marks;
use crate::position::{Position, after, newest_time};
use crate::reading::{self, Trail};
use crate::source::Rows;

/// As many transactions as there are.
pub(crate) const ALL: usize = usize::MAX;
pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) fn config(columns: serde_json::Value) -> IngestConfig {
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "X"}, {"symbol": "Y"}],
        "calendar": "AlwaysOpen",
        "source": {"csv": {"uri": "http://h/f.csv", "columns": columns}},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

/// Rows of `days` sessions of X and Y from one day on; every 50th row is damaged.
pub(crate) fn rows(from: usize, days: usize) -> Vec<String> {
    let start: jiff::civil::Date = "2010-01-01".parse().unwrap();
    let rows = (from..from + days).flat_map(|day| {
        let date = start
            .checked_add(jiff::Span::new().days(day as i64))
            .unwrap();
        ["X", "Y"].map(|symbol| match (day * 2 + usize::from(symbol == "Y")) % 50 {
            7 => format!("{symbol},{date},none"),
            17 => format!("{symbol},no date,{day}"),
            _ => format!("{symbol},{date},{}", 100 + day % 7),
        })
    });
    rows.collect()
}

pub(crate) fn file(rows: &[String]) -> String {
    format!("symbol,date,close\n{}\n", rows.join("\n"))
}

/// What Kafka holds.
pub(crate) struct World {
    pub topics: Topics,
    pub records: Vec<Record>,
    /// Wall time, milliseconds UTC.
    pub now: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            topics: PipelineName::new("n", "p").topics(""),
            records: Vec::new(),
            now: NOW,
        }
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let message = |record: &Record| Message {
            topic: record.topic.clone(),
            partition: 0,
            offset: 0,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            timestamp: None,
        };
        self.records.iter().map(message).collect()
    }

    /// One process: reads `file` as a start does, and dies after so many transactions.
    pub(crate) fn run(
        &mut self,
        config: &IngestConfig,
        file: &str,
        transactions: usize,
    ) -> IngestStatus {
        let open = || {
            let csv = config.source.csv.clone().unwrap();
            let spec = &Described::new(config, csv);
            let bytes = std::io::Cursor::new(file.as_bytes().to_vec());
            Rows::new(CsvRows::new(bytes, spec).unwrap()).unwrap()
        };
        self.run_rows(config, &open, transactions)
    }

    /// The same for whatever opens the rows of a source.
    pub(crate) fn run_rows(
        &mut self,
        config: &IngestConfig,
        open: &dyn Fn() -> Rows,
        transactions: usize,
    ) -> IngestStatus {
        let messages = self.messages();
        let (next, state) = after(&messages);
        let position = Position {
            next,
            state,
            written: 0,
            last_news: newest_time(&messages),
        };
        let judged = (self.now, &config.calendar);
        let start = reading::start(&position, Trail::new(config), &mut open(), judged).unwrap();
        let mut marks = Marks::default();
        if start.reading > 0 {
            for message in self.messages() {
                let time = message.header(header::EVENT_TIME);
                if let Some(time) = time.and_then(|t| t.parse().ok()) {
                    marks.add(message.key.as_deref().unwrap(), time);
                }
            }
        }
        let state = position.state.as_ref();
        crate::sessions::check(state, &marks, &config.bar_grid()).unwrap();
        let checker = Checker::new(config, "csv").unwrap();
        let mut progress = Progress::new(checker, Trail::new(config), (start, marks), "csv");
        let (mut rows, mut batch, mut committed) = (open(), Batch::default(), 0);
        loop {
            let row = rows.next_if(|_| true).unwrap();
            if let Some(row) = &row {
                let target = (&self.topics, 0);
                progress.enter(rows.file());
                progress.take(row, &mut batch, target, self.now).unwrap();
            }
            if batch.is_full() || row.is_none() {
                batch.close().unwrap();
                let wrote = !batch.records.is_empty();
                if wrote && committed == transactions {
                    break;
                }
                committed += usize::from(wrote);
                self.records.append(&mut batch.records);
                batch = Batch::default();
            }
            if row.is_none() {
                break;
            }
        }
        let mut status = IngestStatus::default();
        progress.report(&mut status);
        status.files = rows.told().cloned();
        let sum = status.rows_sent + status.rows_quarantined + status.rows_unchanged;
        assert_eq!(
            status.rows_read, sum,
            "read = sent + quarantined + unchanged"
        );
        status
    }

    /// How often each bar was sent.
    pub(crate) fn bars(&self) -> BTreeMap<(String, i64), usize> {
        let mut bars = BTreeMap::new();
        for record in self.records.iter().filter(|r| r.topic == self.topics.bars) {
            let bar: foresail_domain::Bar = serde_json::from_slice(&record.value).unwrap();
            *bars.entry((bar.symbol, bar.event_time)).or_default() += 1;
        }
        bars
    }

    pub(crate) fn quarantined(&self) -> usize {
        let of = |record: &&Record| record.topic == self.topics.quarantine;
        self.records.iter().filter(of).count()
    }
}
