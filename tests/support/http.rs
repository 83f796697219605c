//! A small HTTP server that answers as it is told.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use crate::{Peer, SOON};

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The first line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Asked {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Answers every request with what a function makes of it, one request for each
/// connection.
#[derive(Debug)]
pub struct HttpServer {
    peer: Peer,
    asked: Mutex<mpsc::Receiver<Asked>>,
}

impl HttpServer {
    /// Starts one; `answer` gets the number of the request, from 1.
    pub fn start(answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::raw(move |n, asked, mut tcp| tcp.write_all(&answer(n, asked)))
    }

    /// One that does with the connection what it likes once it has the request.
    pub fn raw(
        answer: impl Fn(usize, &Asked, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (told, asked) = mpsc::channel();
        let count = Arc::new(Mutex::new(0));
        let peer = Peer::start(move |tcp| {
            let Ok(request) = read(&tcp) else { return };
            let n = {
                let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                *count
            };
            let _ = told.send(request.clone());
            if let Err(e) = answer(n, &request, &tcp) {
                log::debug!("the HTTP server's peer went away: {e}");
            }
        });
        Self {
            peer,
            asked: Mutex::new(asked),
        }
    }

    /// A URL of this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.peer.port())
    }

    /// The next request, waited for.
    ///
    /// # Panics
    /// If none comes.
    pub fn asked(&self) -> Asked {
        self.asked_within(SOON).expect("a request")
    }

    /// The next request, if one comes so soon.
    pub fn asked_within(&self, limit: Duration) -> Option<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.recv_timeout(limit).ok()
    }
}

/// An HTTP answer with a JSON body.
#[must_use]
pub fn json(status: u16, body: &str) -> Vec<u8> {
    http(status, "application/json", "", body)
}

/// An HTTP answer; `more` are header lines, each with its line end.
#[must_use]
pub fn http(status: u16, kind: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{more}\r\n{body}"
    )
    .into_bytes()
}

fn read(tcp: &TcpStream) -> io::Result<Asked> {
    let mut reader = BufReader::new(tcp);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut asked = Asked {
        head,
        body: String::new(),
    };
    let length = asked.header("content-length").and_then(|v| v.parse().ok());
    reader
        .take(length.unwrap_or(0))
        .read_to_string(&mut asked.body)?;
    Ok(asked)
}
