//! Which addresses of the internet protocol are the public internet's: everything else is refused, also where it is written inside
//! another. What is not known to be public is not: a range that is given out one day is refused until it stands here.
//!
//! The ranges are those of IANA's special-purpose registries (RFC 6890 and its successors), and the addresses at which clouds give
//! machines their credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be reached at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// A private network: for hosts that the user named as such.
    Private(&'static str),
    /// Nobody's document lies there.
    Never(&'static str),
}

/// Credentials of a machine lie there, though the ranges around them are private or public networks.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Who may be reached at `address`.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    use Reach::{Never, Private, Public};
    let octets = address.octets();
    if METADATA_V4.contains(&address) {
        return Never("the metadata of a cloud");
    }
    match octets {
        [0, ..] => Never("no address"),
        [127, ..] => Private("this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("a private network"),
        [100, 64..=127, ..] => Private("a provider's own network"),
        [169, 254, ..] => Never("a link's own network"),
        [192, 0, 0, _] => Never("a protocol's own address"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("an address of examples"),
        [192, 88, 99, _] => Never("a relay that is no more"),
        [198, 18..=19, ..] => Never("a network for measurements"),
        [224..=239, ..] => Never("a group of machines"),
        [240..=255, ..] => Never("a reserved address"),
        _ => Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    use Reach::{Never, Private};
    if METADATA_V6.contains(&address) {
        return Never("the metadata of a cloud");
    }
    let segments = address.segments();
    let last = || {
        let [.., high, low] = segments;
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("no address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Private("this machine"),
        // An address of IPv4, mapped or behind the well-known prefix of translation: as good as that one.
        [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => reach_v4(last()),
        [0xfc00..=0xfdff, ..] => Private("a private network"),
        [0xfe80..=0xfebf, ..] => Never("a link's own network"),
        [0xff00..=0xffff, ..] => Never("a group of machines"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Never("an address of examples"),
        // Teredo, ORCHID, benchmarking: none of it is a server's.
        [0x2001, 0..=0x1ff, ..] => Never("a protocol's own address"),
        // It leads wherever the address of IPv4 inside says, through whoever feels called.
        [0x2002, ..] => Never("a relay that is no more"),
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Never("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        let of = |text: &str| reach(text.parse().unwrap());
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(of(public), Reach::Public, "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::192.168.0.1",
        ] {
            assert!(matches!(of(private), Reach::Private(_)), "{private}: {:?}", of(private));
        }
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::10.0.0.1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(matches!(of(never), Reach::Never(_)), "{never}: {:?}", of(never));
        }
    }
}
