//! A visitor comes, logs in, and logs out everywhere else.
//!
//! `cargo run -p cloakroom-client --example login -- cloakroom://127.0.0.1:7070/shop`
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::Duration;

use cloakroom_client::{Client, Error, Rotation, Write};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "cloakroom://127.0.0.1:7070/shop".into());
    let client = Client::connect(&url).await?;

    // A visitor without a name, for half an hour from the last click.
    let half_an_hour = Duration::from_secs(30 * 60);
    let visitor = Write::json(r#"{"cart":["tea"]}"#).idle(half_an_hour);
    let made = client.create(&visitor).await?;
    println!("new session {}", made.receipt.handle);

    // The log-in: a new id, so that one that somebody planted is of no use. Requests that are under
    // way with the old one are still served for ten seconds.
    let login = Rotation::new()
        .user("user-1")
        .grace(Duration::from_secs(10));
    let made = client.rotate(&made.token, &login).await?;
    println!("logged in, now {}", made.receipt.handle);

    // Merges happen on the server: parallel requests lose nothing.
    client.set(&made.token, r#"{"language":"en"}"#).await?;
    match client.get(&made.token).await? {
        Some(session) => println!(
            "user {} has {}",
            session.user,
            String::from_utf8_lossy(&session.data)
        ),
        None => println!("the session is gone"),
    }

    let others = client.kill_user_except("user-1", &made.token).await?;
    println!("logged out of {others} other devices");
    client.kill(&made.token).await?;
    client.close().await;
    Ok(())
}
