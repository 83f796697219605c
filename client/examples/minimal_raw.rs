//! What `minimal` does, with blocking tungstenite over native-tls and no STOMP but
//! two frames that are written by hand: no header is looked at, nothing is
//! confirmed, and when the connection is lost it ends.

use std::{error::Error, net::TcpStream};

use tungstenite::{Message, client::IntoClientRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let request = url.into_client_request()?;
    let host = request.uri().host().ok_or("no host")?.to_owned();
    let port = request.uri().port_u16().unwrap_or(443);
    let tcp = TcpStream::connect((host.as_str(), port))?;
    let tls = native_tls::TlsConnector::new()?.connect(&host, tcp)?;
    let (mut ws, _) = tungstenite::client(request, tls)?;
    ws.send(Message::text(
        "CONNECT\naccept-version:1.2\nhost:broker\n\n\0",
    ))?;
    ws.read()?;
    ws.send(Message::text(
        "SUBSCRIBE\nid:1\ndestination:/queue/calls\n\n\0",
    ))?;
    loop {
        println!("{}", ws.read()?.to_text().unwrap_or("(binary)"));
    }
}
