//! Who may be called: public addresses over https, and what the operator listed besides. Checked for the URL and again for each address
//! that a name resolves to, at the moment of connecting, so that a name that changes its mind gets nowhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder};
use url::{Host, Url};

/// Longest time for name look-up, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The allow list. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Egress(Arc<Allowed>);

#[derive(Debug, Default)]
struct Allowed {
    hosts: BTreeSet<String>,
    nets: Vec<IpNet>,
}

/// Why a URL may not be called.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Neither a host name, an address nor a CIDR range.
    #[error("{entry:?} in the allow list is neither a host name, an address nor a range such as 10.0.0.0/8")]
    BadEntry {
        /// The entry.
        entry: String,
    },
    /// Not http or https, no host, or with a user and password in it.
    #[error("{url} is not an http or https URL with a host and without user or password")]
    BadUrl {
        /// The URL, without user and password.
        url: String,
    },
    /// Plain http to a host that is not listed.
    #[error("plain http to {host} needs that host in the allow list")]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A private, loopback, link-local or otherwise special address that is not listed.
    #[error("{address} is not a public address and is not in the allow list")]
    NotPublic {
        /// The address.
        address: IpAddr,
    },
    /// A name that resolves to no address that may be called.
    #[error("{host} has no address that may be called: only public ones and those in the allow list")]
    NoAddress {
        /// The name.
        host: String,
    },
}

impl Egress {
    /// Reads an allow list of host names, addresses and CIDR ranges. A listed host may be called by plain http and whatever it resolves to.
    ///
    /// # Errors
    /// The first entry that is none of these.
    pub fn allowing<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, EgressError> {
        let mut allowed = Allowed::default();
        for entry in entries {
            let entry = entry.as_ref().trim();
            let bad = || EgressError::BadEntry { entry: entry.to_owned() };
            if let Ok(net) = entry.parse::<IpNet>() {
                allowed.nets.push(net);
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                allowed.nets.push(address.into());
            } else {
                match Host::parse(entry).map_err(|_not_a_host| bad())? {
                    Host::Domain(host) => allowed.hosts.insert(host),
                    Host::Ipv4(_) | Host::Ipv6(_) => return Err(bad()),
                };
            }
        }
        Ok(Self(Arc::new(allowed)))
    }

    /// Checks a URL as far as it can be without asking for names. A literal address never passes the resolver: this is its only check.
    ///
    /// # Errors
    /// The reason why it may not be called.
    pub fn check(&self, url: &Url) -> Result<(), EgressError> {
        let https = match (url.scheme(), url.username(), url.password()) {
            ("https", "", None) => true,
            ("http", "", None) => false,
            _ => return Err(bad_url(url)),
        };
        let (host, listed) = match url.host().ok_or_else(|| bad_url(url))? {
            Host::Domain(host) => (host.to_owned(), self.0.hosts.contains(host)),
            Host::Ipv4(address) => (address.to_string(), self.allows(address.into())?),
            Host::Ipv6(address) => (address.to_string(), self.allows(address.into())?),
        };
        if https || listed {
            return Ok(());
        }
        Err(EgressError::PlainHttp { host })
    }

    /// A client builder for calls to `base` only: guarded name look-up, no redirects, no proxy, no retries of its own.
    ///
    /// # Errors
    /// `base` may not be called.
    pub fn client(&self, base: &Url) -> Result<ClientBuilder, EgressError> {
        self.check(base)?;
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("ml-connector/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(GuardedResolver(self.clone()));
        Ok(if base.scheme() == "https" {
            builder.https_only(true)
        } else {
            // Never speaks TLS, so it must not fail on a machine without root certificates.
            builder.tls_certs_only(std::iter::empty())
        })
    }

    /// Whether an address is in the list; an error when it is neither listed nor public.
    fn allows(&self, address: IpAddr) -> Result<bool, EgressError> {
        let listed = self.0.nets.iter().any(|net| net.contains(&address));
        if listed || is_public(address) {
            return Ok(listed);
        }
        Err(EgressError::NotPublic { address })
    }

    fn filter(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, EgressError> {
        let by_name = self.0.hosts.contains(host);
        let allowed: Vec<_> = found.filter(|found| by_name || self.allows(found.ip()).is_ok()).collect();
        if allowed.is_empty() {
            return Err(EgressError::NoAddress { host: host.to_owned() });
        }
        Ok(allowed)
    }
}

/// Resolves names with the system's resolver and drops what may not be called.
struct GuardedResolver(Egress);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = egress.filter(&host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn bad_url(url: &Url) -> EgressError {
    let mut shown = url.clone();
    // Both fail only where there is no user to hide.
    shown.set_username("").unwrap_or_default();
    shown.set_password(None).unwrap_or_default();
    EgressError::BadUrl { url: shown.into() }
}

/// Whether an address belongs to the public internet, by IANA's special-purpose registries; what wraps an IPv4 address is judged by that.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared address space, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays, deprecated
        || (a == 198 && (18..20).contains(&b)) // benchmarking
        || a >= 224; // multicast, reserved, broadcast
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)), // NAT64
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),                 // 6to4
        [0x2001, second, ..] => second >= 0x0200 && second != 0x0db8,           // Teredo, ORCHID, documentation
        [0x3fff, second, ..] => second >= 0x1000,                               // documentation
        [first, ..] => first & 0xe000 == 0x2000,                                // global unicast is 2000::/3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(egress: &Egress, url: &str) -> Result<(), EgressError> {
        egress.check(&url.parse().expect("a literal URL"))
    }

    #[test]
    fn without_a_list_only_https_to_public_addresses_passes() {
        let egress = Egress::default();
        for good in ["https://ifs.example.com/x", "https://8.8.8.8/", "https://[2606:4700::1111]/"] {
            assert_eq!(check(&egress, good), Ok(()), "{good}");
        }
        for bad in [
            "http://ifs.example.com/",
            "http://8.8.8.8/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://user:pw@ifs.example.com/",
            "ftp://ifs.example.com/",
            "file:///etc/passwd",
        ] {
            assert!(check(&egress, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listed_host_or_range_passes_and_nothing_beside_it() {
        let egress = Egress::allowing(["ifs.internal", "127.0.0.1", "10.8.0.0/16"]).expect("a legal list");
        for good in ["http://ifs.internal:8080/", "http://127.0.0.1:1/", "http://10.8.3.4/", "https://10.8.0.1/"] {
            assert_eq!(check(&egress, good), Ok(()), "{good}");
        }
        for bad in ["http://x.ifs.internal/", "http://127.0.0.2/", "https://10.9.0.1/", "http://8.8.8.8/"] {
            assert!(check(&egress, bad).is_err(), "{bad}");
        }
        for bad in ["10.0.0.0/33", "a b", "", "http://x/"] {
            assert!(Egress::allowing([bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_never_shows_the_password_of_a_url() {
        let error = check(&Egress::default(), "https://user:hush@host.example/").expect_err("a password");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn a_name_keeps_only_the_addresses_that_may_be_called() {
        let egress = Egress::allowing(["10.8.0.0/16"]).expect("a legal list");
        let found = || ["10.8.0.1:0", "10.9.0.1:0", "127.0.0.1:0", "8.8.8.8:0"].map(|a| a.parse().expect("an address"));
        let kept = egress.filter("rebinds.example", found().into_iter()).expect("two of them");
        assert_eq!(kept, ["10.8.0.1:0", "8.8.8.8:0"].map(|a| a.parse().expect("an address")));
        assert!(egress.filter("metadata.example", found().into_iter().skip(1).take(2)).is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused_at_connect() {
        let url: Url = "https://localhost:1/".parse().expect("a literal URL");
        let client = Egress::default().client(&url).expect("passes by name").build().expect("a client");
        let error = client.get(url).send().await.expect_err("a loopback address");
        assert!(error.is_connect(), "{error:?}");
        let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(told.into_iter().any(|cause| cause.is::<EgressError>()), "{error:?}");
    }
}
