//! Watches as a stream of JSON lines, each sent as soon as it is known.

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::handler::{Call, Handler};
use super::list_query;
use super::negotiate::{self, Form, Include};
use super::respond::{BoxBody, warn};
use super::table;
use crate::api::{Event, WatchStream};
use crate::error::ApiError;

/// Events that are there at once go out together, up to so many bytes.
const CHUNK: usize = 64 * 1024;

/// As long as what is around an object in its line, at most.
const LINE: usize = 40;

struct State {
    watch: WatchStream,
    end: std::pin::Pin<Box<tokio::time::Sleep>>,
    stopping: CancellationToken,
    writer: Writer,
}

/// Turns events into lines.
struct Writer {
    resource: std::sync::Arc<crate::kinds::Resource>,
    form: Form,
    clock: crate::clock::Clock,
    first: bool,
}

/// Answers a watch.
pub(super) fn serve(
    handler: &Handler,
    call: &Call,
    name: &str,
    form: Form,
) -> Result<Response<BoxBody>, ApiError> {
    if call.wire.yaml {
        return Err(negotiate::not_acceptable(
            "only the following media types are accepted: application/json;stream=watch".to_owned(),
        ));
    }
    let options = list_query::watch(&call.query, &call.target.resource, name)?;
    let lasts = options.lasts.unwrap_or_default();
    let watch = handler.api.watch(&call.target, options)?;
    let state = State {
        watch,
        end: Box::pin(tokio::time::sleep(lasts)),
        stopping: handler.stopping.clone(),
        writer: Writer {
            resource: call.target.resource.clone(),
            form,
            clock: handler.api.clock.clone(),
            first: true,
        },
    };
    let lines = futures::stream::unfold(state, |mut state| async move {
        let lines = state.next().await?;
        Some((Ok::<_, std::io::Error>(Frame::data(lines)), state))
    });
    let mut response = Response::new(StreamBody::new(lines.fuse()).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    warn(headers, &call.context.warnings);
    Ok(response)
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        let event = tokio::select! {
            event = self.watch.next() => event?,
            () = &mut self.end => return None,
            () = self.stopping.cancelled() => return None,
        };
        let mut out = BytesMut::new();
        self.writer.line(&mut out, &event);
        while out.len() < CHUNK
            && let Some(event) = self.watch.ready()
        {
            self.writer.line(&mut out, &event);
        }
        Some(out.freeze())
    }
}

impl Writer {
    fn line(&mut self, out: &mut BytesMut, event: &Event) {
        let object = match (&self.form, event.kind) {
            (_, "ERROR") | (Form::Object | Form::PartialList | Form::Discovery, _) => {
                event.object.json()
            }
            (Form::Partial, _) => Bytes::from(table::partial(&event.object.value).to_string()),
            (Form::Table(include), _) => {
                let include = *include;
                Bytes::from(self.table(event, include).to_string())
            }
        };
        out.reserve(object.len() + LINE);
        out.put_slice(b"{\"type\":\"");
        out.put_slice(event.kind.as_bytes());
        out.put_slice(b"\",\"object\":");
        out.put_slice(&object);
        out.put_slice(b"}\n");
    }

    fn table(&mut self, event: &Event, include: Include) -> Value {
        let mut table = table::of_event(&self.resource, event, include, self.clock.now());
        // The columns are told once.
        if !std::mem::take(&mut self.first) {
            table["columnDefinitions"] = json!(null);
        }
        table
    }
}
