//! Name resolution.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Asks the operating system's resolver. This blocks, for as long as the
/// resolver likes: it belongs on a helper thread.
pub(crate) fn resolve_blocking(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let answer = (host, port).to_socket_addrs().map_err(|e| e.to_string())?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in answer {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The address that a literal stands for; it needs no resolver.
pub(super) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let ip: IpAddr = host.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_need_no_resolver() {
        assert_eq!(literal("127.0.0.1", 80), "127.0.0.1:80".parse().ok());
        assert_eq!(literal("::1", 80), "[::1]:80".parse().ok());
        assert_eq!(literal("localhost", 80), None);
        assert_eq!(literal("127.1", 80), None);
    }

    #[test]
    fn localhost_is_resolved_without_repetition() {
        let addresses = resolve_blocking("localhost", 80).unwrap();
        assert!(
            addresses
                .iter()
                .all(|a| a.ip().is_loopback() && a.port() == 80)
        );
        let mut unique = addresses.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), addresses.len());
    }
}
