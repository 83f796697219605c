//! What a consumer costs with wstomp, for the comparison of `client/examples/bench`:
//! `recv COUNT SIZE PORT` takes so many messages.
//!
//! ```sh
//! cargo build --release --manifest-path client/benches/peers/Cargo.toml --example wstomp
//! cargo run --release --example bench -- wstomp \
//!     --peer wstomp=client/benches/peers/target/release/examples/wstomp
//! ```

use std::error::Error;

use wstomp::{
    WStompEvent, connect_with_pass,
    stomp::{FromServer, client::Subscriber},
};

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, count, size, port] = &args[..] else {
        return Err("recv COUNT SIZE PORT".into());
    };
    if what != "recv" {
        return Err(format!("this does not {what}").into());
    }
    let url = format!("ws://127.0.0.1:{port}/");
    let connected = connect_with_pass(url, "a", "b").await;
    let mut client = connected.map_err(|e| format!("{e:?}"))?;
    client.recv().await; // CONNECTED
    let subscribe = Subscriber::builder()
        .destination(format!("/blast/{count}/{size}"))
        .id("0")
        .subscribe();
    let sent = client.send(subscribe).await;
    sent.map_err(|e| format!("{e:?}"))?;
    let mut left: usize = count.parse()?;
    while left > 0 {
        match client.recv().await {
            Some(WStompEvent::Message(message)) => {
                left -= usize::from(matches!(message.content, FromServer::Message { .. }));
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    Ok(())
}
