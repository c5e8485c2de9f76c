//! Changes data that only the caller understands, without losing what another request has written
//! meanwhile: read, change, write if the version is still the same, else once more.
//!
//! `cargo run -p cloakroom-client --example conditional -- cloakroom://127.0.0.1:7070/shop`
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::Duration;

use cloakroom_client::{Client, Error, PutMode, Write};

/// Adds one byte behind the data, whoever else writes.
async fn append(client: &Client, token: &[u8], byte: u8) -> Result<bool, Error> {
    loop {
        let Some(session) = client.get(token).await? else {
            return Ok(false);
        };
        let data = [session.data.as_slice(), &[byte]].concat();
        let unchanged = PutMode::IfVersion(session.version);
        match client.put(token, unchanged, &Write::bytes(&data)).await {
            Ok(_) => return Ok(true),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_gone() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "cloakroom://127.0.0.1:7070/shop".into());
    let client = Client::connect(&url).await?;
    let minute = Duration::from_secs(60);
    let made = client.create(&Write::bytes(b"").idle(minute)).await?;

    let mut tasks = tokio::task::JoinSet::new();
    for byte in b'a'..=b'z' {
        let (client, token) = (client.clone(), made.token.clone());
        tasks.spawn(async move { append(&client, &token, byte).await });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok(done) = done {
            done?;
        }
    }
    if let Some(session) = client.peek(&made.token).await? {
        println!("{} bytes, none lost", session.data.len());
    }
    client.kill(&made.token).await?;
    Ok(())
}
