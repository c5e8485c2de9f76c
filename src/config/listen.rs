//! Addresses to listen on, as flags write them: `[DIALECT=]host:port[,allow=CIDR,...]`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One of the three dialects, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialectName {
    /// `rest-sessions`
    RestSessions,
    /// `tarantool`
    Tarantool,
    /// `back-session`
    BackSession,
}

const DIALECTS: [(&str, DialectName); 3] = [
    ("rest-sessions", DialectName::RestSessions),
    ("tarantool", DialectName::Tarantool),
    ("back-session", DialectName::BackSession),
];

/// Where a listener is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `host:port`; port 0 picks a free one.
    Inet(String),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inet(address) => out.write_str(address),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// A listener for HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpListen {
    /// The dialect served; `None` for all three.
    pub dialect: Option<DialectName>,
    /// Where.
    pub address: Address,
    /// The peers let in; empty for everybody.
    pub allow: Vec<Cidr>,
}

/// A listener for the binary protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BinaryListen {
    /// Where.
    pub address: Address,
    /// The peers let in; empty for everybody.
    pub allow: Vec<Cidr>,
}

/// Why an address is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenError {
    /// The word before `=` is no dialect.
    UnknownDialect(String),
    /// Neither `host:port` nor `unix:PATH`.
    NoAddress(String),
    /// What follows the first comma is not `allow=`.
    NoAllow(String),
    /// Not a network.
    BadCidr(String),
    /// A list of networks for a Unix socket.
    AllowOnUnix,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownDialect(name) => write!(
                out,
                "there is no dialect `{name}`: it is rest-sessions, tarantool or back-session"
            ),
            Self::NoAddress(text) => {
                write!(out, "`{text}` is no address: write host:port or unix:PATH")
            }
            Self::NoAllow(text) => write!(
                out,
                "`{text}` means nothing behind an address: write ,allow=CIDR,..."
            ),
            Self::BadCidr(text) => write!(
                out,
                "`{text}` is no network: write it as 10.0.0.0/8, fd00::/8 or 192.168.1.7"
            ),
            Self::AllowOnUnix => out.write_str(
                "a Unix socket has no networks to allow: its file mode says who may connect",
            ),
        }
    }
}

impl std::error::Error for ListenError {}

impl FromStr for HttpListen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (place, rules) = rules_behind(text);
        let (dialect, place) = match place.split_once('=') {
            Some((name, place)) if !name.contains(':') => {
                let known = DIALECTS.iter().find(|(known, _)| *known == name);
                let unknown = || ListenError::UnknownDialect(name.to_owned());
                (Some(known.ok_or_else(unknown)?.1), place)
            }
            Some(_) | None => (None, place),
        };
        let (address, allow) = parse_place(place, rules)?;
        Ok(Self {
            dialect,
            address,
            allow,
        })
    }
}

impl FromStr for BinaryListen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (place, rules) = rules_behind(text);
        let (address, allow) = parse_place(place, rules)?;
        Ok(Self { address, allow })
    }
}

/// A listener's place, and the rules behind the first comma.
fn rules_behind(text: &str) -> (&str, Option<&str>) {
    match text.split_once(',') {
        Some((place, rules)) => (place, Some(rules)),
        None => (text, None),
    }
}

fn parse_place(place: &str, rules: Option<&str>) -> Result<(Address, Vec<Cidr>), ListenError> {
    let address = parse_address(place)?;
    let allow = match rules {
        Some(rules) => parse_allow(rules)?,
        None => Vec::new(),
    };
    if !allow.is_empty() && matches!(address, Address::Unix(_)) {
        return Err(ListenError::AllowOnUnix);
    }
    Ok((address, allow))
}

fn parse_address(text: &str) -> Result<Address, ListenError> {
    let wrong = || ListenError::NoAddress(text.to_owned());
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err(wrong());
        }
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(Address::Inet(text.to_owned()))
        }
        Some(_) | None => Err(wrong()),
    }
}

fn parse_allow(text: &str) -> Result<Vec<Cidr>, ListenError> {
    text.strip_prefix("allow=")
        .ok_or_else(|| ListenError::NoAllow(text.to_owned()))?
        .split(',')
        .map(str::parse)
        .collect()
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    network: u128,
    bits: u8,
    v6: bool,
}

impl Cidr {
    /// Whether the address is in this network. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (number, v6) = as_number(address);
        v6 == self.v6 && self.mask(number) == self.network
    }

    fn mask(&self, number: u128) -> u128 {
        let width: u32 = if self.v6 { 128 } else { 32 };
        number
            .checked_shr(width - u32::from(self.bits))
            .unwrap_or_default()
    }
}

fn as_number(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), false),
        IpAddr::V6(v6) => (v6.to_bits(), true),
    }
}

impl FromStr for Cidr {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let wrong = || ListenError::BadCidr(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_no_address| wrong())?;
        let (number, v6) = as_number(address);
        let width = if v6 { 128 } else { 32 };
        let bits: u8 = match bits {
            Some(bits) => bits.parse().map_err(|_no_number| wrong())?,
            None => width,
        };
        if bits > width {
            return Err(wrong());
        }
        let whole = Self {
            network: 0,
            bits,
            v6,
        };
        Ok(Self {
            network: whole.mask(number),
            ..whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Cidr, DialectName, HttpListen, ListenError};

    #[test]
    fn addresses_are_read_with_dialect_and_peers() {
        let listen: HttpListen = "tarantool=0.0.0.0:0,allow=10.0.0.0/8,::1".parse().unwrap();
        assert_eq!(listen.dialect, Some(DialectName::Tarantool));
        assert_eq!(listen.address, Address::Inet("0.0.0.0:0".into()));
        assert_eq!(listen.allow.len(), 2);
        let listen: HttpListen = "unix:/tmp/a=b".parse().unwrap();
        assert_eq!(listen.address, Address::Unix("/tmp/a=b".into()));
        assert_eq!(listen.dialect, None);
        for (text, error) in [
            ("x=1:2", ListenError::UnknownDialect("x".into())),
            ("localhost", ListenError::NoAddress("localhost".into())),
            (":80", ListenError::NoAddress(":80".into())),
            ("h:70000", ListenError::NoAddress("h:70000".into())),
            ("unix:", ListenError::NoAddress("unix:".into())),
            ("h:1,deny=::1", ListenError::NoAllow("deny=::1".into())),
            ("h:1,allow=", ListenError::BadCidr(String::new())),
            (
                "h:1,allow=1.2.3.4/33",
                ListenError::BadCidr("1.2.3.4/33".into()),
            ),
            ("unix:/a,allow=::1", ListenError::AllowOnUnix),
        ] {
            assert_eq!(text.parse::<HttpListen>(), Err(error), "{text}");
        }
    }

    #[test]
    fn network_contains_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.4"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "fe80::1", "1.2.3.4"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:128.0.0.1"),
        ] {
            let network: Cidr = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside}");
        }
    }
}
