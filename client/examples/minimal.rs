//! The least that receives over `wss`, to see how large a program becomes and what
//! it holds. Beside it, without STOMP: `minimal_raw`.
//!
//! ```sh
//! cargo build --profile small -p hobnail --no-default-features --example minimal --example minimal_raw
//! ```

use hobnail::{Client, Error};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let mut client = Client::builder(url).connect()?;
    let _calls = client.subscription("/queue/calls").subscribe()?;
    loop {
        let call = client.recv()?;
        println!(
            "{}: {}",
            call.destination(),
            call.text().unwrap_or("(binary)")
        );
    }
}
