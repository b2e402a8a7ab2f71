//! `exec` and `attach` over WebSocket: from the request to the runtime's streams and back.

use std::sync::Arc;

use bytes::Bytes;
use cluster_sandbox::runtime::{ContainerStatus as Record, RuntimeError, StreamOptions, Streams};
use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use streaming::{Channel, Frame, Message, Outcome, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{self, Message as Socket};

use super::query::Query;
use super::{Address, Body, text};
use crate::pod::config::POD_UID_LABEL;
use crate::pod::records::{Records, is_running};
use crate::pod::roles;
use crate::shared::Shared;

type Connection = WebSocketStream<TokioIo<Upgraded>>;

/// What a client without WebSocket is told.
const ONLY_WEBSOCKET: &str = "this node streams over WebSocket only, not SPDY: use kubectl 1.31 or newer \
    (1.29 and 1.30 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true)";

/// Bytes of output in one frame at most.
const PIECE: usize = 32 * 1024;

pub(super) async fn exec(
    shared: &Arc<Shared>,
    address: &Address,
    query: &Query,
    request: Request<Incoming>,
) -> Response<Body> {
    let record = match running(shared, address).await {
        Ok(Some(record)) => record,
        Ok(None) => {
            let message = format!("container not found ({:?})", address.container);
            return text(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
        Err(response) => return *response,
    };
    let tty = query.flag("tty");
    let (options, protocol) = match wanted(query, tty, &request) {
        Ok(wanted) => wanted,
        Err(response) => return *response,
    };
    let streams = shared
        .runtime
        .exec(&record.id, query.all("command"), options)
        .await;
    let streams = streams.map_err(|error| format!("error executing command in container: {error}"));
    upgrade(request, protocol, options, streams)
}

pub(super) async fn attach(
    shared: &Arc<Shared>,
    address: &Address,
    query: &Query,
    request: Request<Incoming>,
) -> Response<Body> {
    let record = match running(shared, address).await {
        Ok(Some(record)) => record,
        Ok(None) => {
            let message = format!(
                "container {} not found in pod {}",
                address.container, address.pod
            );
            return text(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
        Err(response) => return *response,
    };
    // Whether there is a terminal is the container's to say (EC-X-09).
    let (options, protocol) = match wanted(query, record.config.tty, &request) {
        Ok(wanted) => wanted,
        Err(response) => return *response,
    };
    let streams = shared.runtime.attach(&record.id, options).await;
    // That an attached container ended is a success, whatever its exit code: that is in its status.
    let streams = streams.map(|streams| Streams {
        exit: streams.exit.map(|end| end.map(|_| 0)).boxed(),
        ..streams
    });
    let streams = streams.map_err(|error| format!("error attaching to container: {error}"));
    upgrade(request, protocol, options, streams)
}

/// The running container of that name; `None` if it does not run.
async fn running(
    shared: &Shared,
    address: &Address,
) -> Result<Option<Record>, Box<Response<Body>>> {
    let Some(view) = shared.view(&address.namespace, &address.pod) else {
        return Err(Box::new(text(StatusCode::NOT_FOUND, "pod does not exist")));
    };
    if !roles::containers(&view.pod)
        .iter()
        .any(|container| container.name() == address.container)
    {
        return Ok(None);
    }
    let uid = view.pod.metadata.uid.clone();
    let all = shared.runtime.containers().await;
    let all =
        all.map_err(|error| Box::new(text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())))?;
    let own = all
        .into_iter()
        .filter(|record| record.config.labels.get(POD_UID_LABEL) == uid.as_ref());
    Ok(Records::new(own)
        .newest(&address.container)
        .filter(|record| is_running(record))
        .cloned())
}

/// Which streams in which framing, or the refusal.
fn wanted(
    query: &Query,
    tty: bool,
    request: &Request<Incoming>,
) -> Result<(StreamOptions, Protocol), Box<Response<Body>>> {
    let refuse = |message: &str| Err(Box::new(text(StatusCode::BAD_REQUEST, message)));
    let options = StreamOptions {
        stdin: query.flag("input"),
        stdout: query.flag("output"),
        // With a terminal there is one stream.
        stderr: query.flag("error") && !tty,
        tty,
    };
    if !options.stdin && !options.stdout && !options.stderr {
        return refuse("you must specify at least 1 of stdin, stdout, stderr");
    }
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match header(header::UPGRADE) {
        Some(upgrade) if upgrade.eq_ignore_ascii_case("websocket") => {}
        Some(upgrade) if upgrade.to_ascii_lowercase().starts_with("spdy") => {
            return refuse(ONLY_WEBSOCKET);
        }
        _ => return refuse("Upgrade request required"),
    }
    let offered = header(header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    let Some(protocol) = Protocol::negotiate(offered) else {
        let names: Vec<_> = Protocol::ALL
            .iter()
            .map(|protocol| protocol.name())
            .collect();
        return refuse(&format!(
            "Sec-WebSocket-Protocol must offer one of {}",
            names.join(", ")
        ));
    };
    Ok((options, protocol))
}

/// Answers 101 and hands the connection over to the streams. A command that could not be started is told on
/// the error channel, as a kubelet does: a refused upgrade would be taken for a lack of WebSocket.
fn upgrade(
    mut request: Request<Incoming>,
    protocol: Protocol,
    options: StreamOptions,
    streams: Result<Streams, String>,
) -> Response<Body> {
    let key = request
        .headers()
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let Some(Ok(accept)) = key.map(HeaderValue::try_from) else {
        return text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing");
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => {
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None)
                        .await;
                if let Err(error) = pump(socket, protocol, options, streams).await {
                    tracing::debug!(%error, "a stream was cut");
                }
            }
            Err(error) => tracing::debug!(%error, "a connection was not handed over"),
        }
    });
    let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(protocol.name()),
    );
    response
}

/// Copies until the process ends or the client goes; then, if the client is there, says how it ended.
async fn pump(
    socket: Connection,
    protocol: Protocol,
    options: StreamOptions,
    streams: Result<Streams, String>,
) -> Result<(), tungstenite::Error> {
    let mut streams = streams.unwrap_or_else(failed);
    let (sink, source) = socket.split();
    let (frames, queue) = mpsc::channel::<Frame>(4);
    // An empty frame tells the client that the streams are there (EC-X-11).
    let first = if options.stdout {
        Channel::Stdout
    } else {
        Channel::Error
    };
    let writer = tokio::spawn(write(sink, protocol, queue));
    let _ = frames.send(Frame::Data(first, Bytes::new())).await;
    let readers = [
        (Channel::Stdout, streams.stdout.take()),
        (Channel::Stderr, streams.stderr.take()),
    ];
    let readers = readers.map(|(channel, stream)| read(channel, stream, frames.clone()));
    let exit = streams.exit;
    let ended = async {
        let (exit, _) = tokio::join!(exit, futures::future::join_all(readers));
        exit
    };
    let input = input(source, protocol, streams.stdin, streams.resize);
    tokio::pin!(input);
    let outcome = tokio::select! {
        exit = ended => match exit {
            Ok(code) => Outcome::ExitCode(code),
            Err(error) => Outcome::Failure(error.to_string()),
        },
        // The client went away: an attached container goes on without it (EC-X-18).
        end = &mut input => {
            end?;
            drop(frames);
            return writer.await.unwrap_or(Ok(()));
        }
    };
    let status = Bytes::from(outcome.to_json().to_string());
    let _ = frames.send(Frame::Data(Channel::Error, status)).await;
    drop(frames);
    let written = writer.await.unwrap_or(Ok(()));
    // The client answers the close; a client that does not is not waited for long.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), input).await;
    written
}

/// Streams of a process that never was.
fn failed(why: String) -> Streams {
    let exit = async { Err(RuntimeError::Refused(why)) }.boxed();
    Streams {
        stdin: None,
        stdout: None,
        stderr: None,
        resize: None,
        exit,
    }
}

async fn read(
    channel: Channel,
    stream: Option<Box<dyn AsyncRead + Send + Unpin>>,
    frames: mpsc::Sender<Frame>,
) {
    let Some(mut stream) = stream else { return };
    loop {
        let mut buffer = bytes::BytesMut::with_capacity(PIECE);
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if frames
                    .send(Frame::Data(channel, buffer.freeze()))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Sends frames; flushes when there is no next one yet. At the end it closes the connection.
async fn write(
    mut sink: SplitSink<Connection, Socket>,
    protocol: Protocol,
    mut queue: mpsc::Receiver<Frame>,
) -> Result<(), tungstenite::Error> {
    while let Some(frame) = queue.recv().await {
        let mut next = Some(frame);
        while let Some(frame) = next {
            match frame.encode(protocol) {
                Some(Message::Binary(bytes)) => sink.feed(Socket::Binary(bytes)).await?,
                Some(Message::Text(text)) => sink.feed(Socket::Text(text.into())).await?,
                None => {}
            }
            next = queue.try_recv().ok();
        }
        sink.flush().await?;
    }
    let close = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    sink.send(Socket::Close(Some(close))).await
}

/// Reads the client's frames until it closes the connection.
async fn input(
    mut source: SplitStream<Connection>,
    protocol: Protocol,
    mut stdin: Option<Box<dyn tokio::io::AsyncWrite + Send + Unpin>>,
    resize: Option<mpsc::Sender<cluster_sandbox::runtime::TerminalSize>>,
) -> Result<(), tungstenite::Error> {
    while let Some(message) = source.next().await {
        let payload: Bytes = match message? {
            Socket::Binary(bytes) => bytes,
            Socket::Text(text) => text.into(),
            Socket::Close(_) => return Ok(()),
            _ => continue,
        };
        match Frame::decode(protocol, &payload) {
            Ok(Frame::Data(Channel::Stdin, bytes)) => {
                let written = match &mut stdin {
                    Some(stdin) => {
                        async {
                            stdin.write_all(&bytes).await?;
                            stdin.flush().await
                        }
                        .await
                    }
                    None => Ok(()),
                };
                // The process reads no more; its output still matters.
                if written.is_err() {
                    stdin = None;
                }
            }
            Ok(Frame::Data(Channel::Resize, bytes)) => {
                if let (Some(resize), Ok(size)) = (&resize, streaming::TerminalSize::parse(&bytes))
                {
                    let size = cluster_sandbox::runtime::TerminalSize {
                        width: size.width,
                        height: size.height,
                    };
                    let _ = resize.send(size).await;
                }
            }
            Ok(Frame::Close(Channel::Stdin)) => stdin = None,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a client broke the framing");
                return Ok(());
            }
        }
    }
    Ok(())
}
