//! Feature rows: one Redis list per feature set and symbol, newest last. One Lua script changes
//! it, so readers never see half a change and an older row never follows a newer one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use foresail_crds::records::FeatureRecord;
use foresail_domain::symbol;
use redis::Script;

use crate::{Cache, Error, codec};

/// Rows sent with one script call: keeps the answer far below the time limit.
const CHUNK: usize = 512;
/// Lists of feature sets nobody writes any more disappear by themselves.
const LIFETIME_SECONDS: u64 = 30 * 24 * 3600;
/// Digits of the fingerprint in a key.
const FINGERPRINT_DIGITS: usize = 16;

/// KEYS: lists. ARGV: keep, lifetime, name of the [`Change`], then per list: count, count times
/// (event time, row). Returns the length of every list.
static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local keep, lifetime, change = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local function newest_of(key)
  local last = redis.call('LINDEX', key, -1)
  local newest = last and tonumber(string.match(last, '^(-?%d+) '))
  if last and not newest then redis.call('DEL', key) end
  return newest or nil
end
local at, lengths = 4, {}
for k, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'list' and kind ~= 'none' then redis.call('DEL', key) end
  local newest = newest_of(key)
  local count = tonumber(ARGV[at])
  local ours = count > 0 and tonumber(ARGV[at + 2 * count - 1])
  if ours and not (newest and newest > ours) then
    if change == 'replace' then
      redis.call('DEL', key)
      newest = nil
    elseif change == 'supersede' then
      local first = tonumber(ARGV[at + 1])
      while newest and newest >= first do
        redis.call('RPOP', key)
        newest = newest_of(key)
      end
    end
  end
  for i = 1, count do
    local time = tonumber(ARGV[at + 2 * i - 1])
    if not newest or time > newest then
      redis.call('RPUSH', key, ARGV[at + 2 * i])
      newest = time
    end
  end
  at = at + 2 * count + 1
  redis.call('LTRIM', key, -keep, -1)
  redis.call('EXPIRE', key, lifetime)
  lengths[k] = redis.call('LLEN', key)
end
return lengths
",
    )
});

/// What becomes of the rows that a list has.
#[derive(Clone, Copy)]
enum Change {
    /// They stay.
    Append,
    /// They go.
    Replace,
    /// Those from the event time of the first new row on go.
    Supersede,
}

impl Change {
    /// As the script knows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Supersede => "supersede",
        }
    }
}

/// Rows of one symbol, oldest first.
type PerSymbol<'a> = BTreeMap<&'a str, Vec<&'a FeatureRecord>>;

impl Cache {
    /// Appends rows of one feature set, oldest first per symbol; rows not newer than the newest
    /// stored one are left out. Keeps the last `keep` per symbol. Returns how many rows each
    /// named symbol has now: fewer than the caller remembers means that Redis lost some.
    pub async fn push_rows(
        &self,
        fingerprint: &str,
        rows: &[FeatureRecord],
        keep: usize,
    ) -> Result<BTreeMap<String, usize>, Error> {
        let mut lengths = BTreeMap::new();
        for chunk in rows.chunks(CHUNK) {
            let mut grouped = PerSymbol::new();
            for row in chunk {
                grouped.entry(&row.symbol).or_default().push(row);
            }
            lengths.extend(
                self.change(fingerprint, &grouped, keep, Change::Append)
                    .await?,
            );
        }
        Ok(lengths)
    }

    /// Puts `rows` (one symbol, oldest first) in place of what is stored, unless something newer
    /// is stored. Returns the length after it.
    pub async fn replace_rows(
        &self,
        fingerprint: &str,
        rows: &[FeatureRecord],
        keep: usize,
    ) -> Result<usize, Error> {
        self.put_rows(fingerprint, rows, keep, Change::Replace)
            .await
    }

    /// Puts `rows` (one symbol, oldest first) in place of those stored from the event time of the first one on, unless
    /// something newer is stored. Returns the length after it.
    pub async fn supersede_rows(
        &self,
        fingerprint: &str,
        rows: &[FeatureRecord],
        keep: usize,
    ) -> Result<usize, Error> {
        self.put_rows(fingerprint, rows, keep, Change::Supersede)
            .await
    }

    async fn put_rows(
        &self,
        fingerprint: &str,
        rows: &[FeatureRecord],
        keep: usize,
        change: Change,
    ) -> Result<usize, Error> {
        let Some(last) = rows.last() else {
            return Ok(0);
        };
        let newest = rows[rows.len().saturating_sub(keep)..].iter().collect();
        let grouped = PerSymbol::from([(last.symbol.as_str(), newest)]);
        let lengths = self.change(fingerprint, &grouped, keep, change).await?;
        Ok(lengths.get(&last.symbol).copied().unwrap_or(0))
    }

    /// Stored rows of one symbol, oldest first; `None` when there are none, when one is damaged,
    /// or when Redis is away.
    pub async fn rows(&self, fingerprint: &str, symbol: &str) -> Option<Vec<FeatureRecord>> {
        let command = redis::cmd("LRANGE")
            .arg(self.rows_key(fingerprint, symbol))
            .arg(0)
            .arg(-1)
            .to_owned();
        let texts: Vec<Vec<u8>> = self.link.query(&command, "rows").await.ok()?;
        let rows = codec::decode_rows(symbol, &texts);
        if rows.is_none() {
            self.metrics.damaged("rows");
        }
        rows.filter(|rows| !rows.is_empty())
    }

    async fn change(
        &self,
        fingerprint: &str,
        grouped: &PerSymbol<'_>,
        keep: usize,
        change: Change,
    ) -> Result<BTreeMap<String, usize>, Error> {
        let mut call = PUSH.prepare_invoke();
        call.arg(keep.max(1))
            .arg(LIFETIME_SECONDS)
            .arg(change.name());
        for (symbol, rows) in grouped {
            call.key(self.rows_key(fingerprint, symbol)).arg(rows.len());
            for row in rows {
                call.arg(row.event_time).arg(codec::encode_row(row));
            }
        }
        let write = self.link.script(&call, "push");
        let lengths: Vec<usize> = self.effects.perform("redis", "push", write).await?;
        Ok(grouped
            .keys()
            .map(ToString::to_string)
            .zip(lengths)
            .collect())
    }

    fn rows_key(&self, fingerprint: &str, symbol: &str) -> String {
        let digits = fingerprint.get(..FINGERPRINT_DIGITS).unwrap_or(fingerprint);
        format!("{}rows:{digits}:{}", self.prefix, symbol::key(symbol))
    }
}
