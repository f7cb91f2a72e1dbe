//! Bodies that are sent well, and badly.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_simulation::{Answer, Manner};
use futures::stream::{self, StreamExt};

/// Between two bytes of a slow body.
const PAUSE: Duration = Duration::from_secs(1);
/// What a bomb unpacks to.
const BOMB: usize = 512 << 20;

pub(crate) async fn send(mut response: HttpResponseBuilder, answer: Answer) -> HttpResponse {
    let body = Bytes::from(answer.body);
    match answer.manner {
        Manner::Whole => response.body(body),
        Manner::Slow => {
            let bytes: Vec<Bytes> = body
                .iter()
                .map(|byte| Bytes::copy_from_slice(&[*byte]))
                .collect();
            response.streaming(stream::iter(bytes).then(async |byte| {
                tokio::time::sleep(PAUSE).await;
                Ok::<_, io::Error>(byte)
            }))
        }
        Manner::Cut => {
            let half = Ok(body.slice(..body.len() / 2));
            response.streaming(stream::iter([half, Err(io::Error::other("cut"))]))
        }
        Manner::Bomb => match web::block(bomb).await {
            Ok(packed) => response
                .insert_header(("content-encoding", "gzip"))
                .body(packed),
            Err(_) => HttpResponse::InternalServerError().finish(),
        },
    }
}

/// Half a gigabyte of spaces, packed once.
fn bomb() -> Bytes {
    static PACKED: OnceLock<Bytes> = OnceLock::new();
    let pack = || {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let spaces = vec![b' '; 1 << 20];
        for _ in 0..BOMB / spaces.len() {
            packed.write_all(&spaces)?;
        }
        packed.finish()
    };
    PACKED
        .get_or_init(|| pack().unwrap_or_default().into())
        .clone()
}
