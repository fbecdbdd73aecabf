//! The chances of the harsh preset, beside those of the usual one: what remotes and networks do on their worst days.

use std::time::Duration;

use super::faults::{Fault, FaultPlan};
use super::ledger::Class;

/// An answer breaks within its first bytes: status line, headers, or the first rows.
const TORN_WITHIN: u32 = 2_000;
/// A request breaks within its first bytes.
const CUT_WITHIN: u32 = 3_000;
/// A page where JSON is meant to be, with a status that says all is well.
const PAGE: &str = "<html><body>Please sign in</body></html>";

impl FaultPlan {
    /// Everything of `FaultPreset::Usual`, and more of it.
    pub(super) fn arm_harsh(&self, late_commit: Duration, slow: Duration) {
        self.arm_usual(late_commit, slow);
        let page = || Fault::Plain(200, PAGE.to_owned());
        let odd = ["0", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "1.5", "99999999999999999999999999x"];
        let odd = |index: usize| odd[index % odd.len()].to_owned();
        for class in [Class::Create, Class::CustomerCreate] {
            self.chance(class, Fault::Torn(TORN_WITHIN), 30);
            self.chance(class, Fault::CutBody, 20);
            self.chance(class, Fault::Endless, 4);
            self.chance(class, Fault::GatewayTimeout, 10);
            self.chance(class, Fault::GatewayTimeoutDone, 20);
            self.chance(class, Fault::BusyHtml, 10);
            self.chance(class, page(), 8);
            self.chance(class, Fault::TooMany(odd(1)), 6);
            self.chance(class, Fault::Busy(odd(2)), 6);
        }
        for class in [Class::Amend, Class::Action] {
            self.chance(class, Fault::Storm(4), 50);
            self.chance(class, Fault::Late(late_commit), 20);
            self.chance(class, Fault::Torn(TORN_WITHIN), 30);
            self.chance(class, Fault::CutBody, 20);
            self.chance(class, Fault::Endless, 4);
            self.chance(class, Fault::Reset, 15);
            self.chance(class, Fault::GatewayTimeout, 10);
            self.chance(class, Fault::GatewayTimeoutDone, 20);
            self.chance(class, Fault::Unauthorized, 10);
            self.chance(class, Fault::BusyHtml, 10);
            self.chance(class, page(), 8);
            self.chance(class, Fault::TooMany(odd(3)), 6);
        }
        for class in [Class::Lookup, Class::Read] {
            self.chance(class, Fault::Torn(TORN_WITHIN), 15);
            self.chance(class, Fault::CutBody, 10);
            self.chance(class, Fault::Endless, 3);
            self.chance(class, Fault::GatewayTimeout, 10);
            self.chance(class, Fault::DropAnswer, 10);
            self.chance(class, page(), 8);
            self.chance(class, Fault::TooMany(odd(0)), 5);
            self.chance(class, Fault::Busy(odd(4)), 5);
        }
        for class in [Class::Stock, Class::ShopStock] {
            self.chance(class, Fault::Torn(TORN_WITHIN), 30);
            self.chance(class, Fault::CutBody, 20);
            self.chance(class, Fault::Endless, 4);
            self.chance(class, Fault::Reset, 20);
            self.chance(class, Fault::GatewayTimeout, 20);
            self.chance(class, Fault::GatewayTimeoutDone, 10);
            self.chance(class, page(), 8);
        }
        self.chance(Class::Token, page(), 150);
        self.chance(Class::Token, Fault::BusyHtml, 60);
        self.chance(Class::Token, Fault::Reset, 40);
        self.chance(Class::Token, Fault::Endless, 20);
        self.chance(Class::Token, Fault::TooMany(odd(5)), 20);
        self.chance(Class::GraphQl, Fault::Torn(TORN_WITHIN), 20);
        self.chance(Class::GraphQl, Fault::CutBody, 20);
        self.chance(Class::GraphQl, Fault::Endless, 4);
        self.chance(Class::GraphQl, Fault::Reset, 20);
        self.chance(Class::GraphQl, Fault::DropAnswer, 20);
        self.chance(Class::GraphQl, Fault::GatewayTimeout, 20);
        self.chance(Class::GraphQl, Fault::BusyHtml, 20);
        self.chance(Class::Connection, Fault::CutRequest(CUT_WITHIN), 15);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::super::faults::FaultPreset;
    use super::super::{Sandbox, SandboxSettings};
    use super::*;

    fn sandbox() -> Sandbox {
        Sandbox::start(SandboxSettings::default()).expect("starts")
    }

    /// Asks the first shop for its name over a connection of its own; gives the first bytes of what came back.
    fn answer_of(sandbox: &Sandbox, bytes_max: u64) -> Vec<u8> {
        let shop = sandbox.shop(0).expect("a shop");
        let body = r#"{"query":"{ shop { name } }"}"#;
        let request = format!(
            "POST /admin/api/2026-10/graphql.json HTTP/1.1\r\nhost: shop\r\nx-shopify-access-token: {}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            shop.access_token(),
            body.len()
        );
        let at = sandbox.shop_base_url(0).expect("a shop").trim_start_matches("http://");
        let mut stream = TcpStream::connect(at).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        // A connection that broke already takes nothing, and answers nothing.
        stream.write_all(request.as_bytes()).unwrap_or_default();
        let mut answer = Vec::new();
        stream.take(bytes_max).read_to_end(&mut answer).unwrap_or_default();
        answer
    }

    #[test]
    fn a_torn_answer_breaks_within_its_first_bytes_although_the_work_was_done() {
        let sandbox = sandbox();
        let whole = answer_of(&sandbox, u64::MAX);
        assert!(whole.starts_with(b"HTTP/1.1 200") && whole.ends_with(b"}"), "{}", String::from_utf8_lossy(&whole));
        sandbox.faults().once(Class::GraphQl, Fault::Torn(40));
        let torn = answer_of(&sandbox, u64::MAX);
        assert!(torn.len() < 40 && whole.starts_with(&torn), "{}", String::from_utf8_lossy(&torn));
        assert_eq!(sandbox.faults().injected()["torn_answer"], 1);
        assert_eq!(answer_of(&sandbox, u64::MAX).len(), whole.len(), "only that one");
    }

    #[test]
    fn an_endless_answer_goes_on_longer_than_anybody_listens() {
        let sandbox = sandbox();
        sandbox.faults().once(Class::GraphQl, Fault::Endless);
        let heard = answer_of(&sandbox, 20 * 1024 * 1024);
        assert!(heard.starts_with(b"HTTP/1.1 200"));
        assert_eq!(heard.len(), 20 * 1024 * 1024);
    }

    #[test]
    fn a_request_is_cut_off_while_it_is_being_sent_and_nobody_hears_it() {
        let sandbox = sandbox();
        sandbox.faults().once(Class::Connection, Fault::CutRequest(30));
        assert!(answer_of(&sandbox, u64::MAX).is_empty());
        assert_eq!(sandbox.ledger().count_of(Class::GraphQl), 0);
        assert!(answer_of(&sandbox, u64::MAX).starts_with(b"HTTP/1.1 200"));
    }

    #[test]
    fn the_token_endpoint_answers_a_page_where_a_token_is_meant_to_be() {
        let sandbox = sandbox();
        sandbox.faults().once(Class::Token, Fault::Plain(200, PAGE.to_owned()));
        let at = sandbox.ifs_base_url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(at).expect("connects");
        let path = "/auth/realms/sandbox/protocol/openid-connect/token";
        let request = format!("POST {path} HTTP/1.1\r\nhost: ifs\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("text/html") && answer.ends_with(PAGE),
            "{answer}"
        );
    }

    #[test]
    fn the_harsh_preset_brings_every_kind_of_fault_about() {
        let settings = SandboxSettings { faults: FaultPreset::Harsh, ..SandboxSettings::default() };
        let sandbox = Sandbox::start(settings).expect("starts");
        let classes = [
            Class::Create,
            Class::CustomerCreate,
            Class::Amend,
            Class::Action,
            Class::Lookup,
            Class::Read,
            Class::Token,
            Class::Stock,
            Class::GraphQl,
            Class::ShopStock,
            Class::Connection,
        ];
        let faults = sandbox.faults();
        for class in classes {
            let drawn = (0..4_000).filter(|_| faults.draw(class).is_some()).count();
            assert!((20..2_000).contains(&drawn), "{class:?}: {drawn} of 4000");
        }
        let injected = faults.injected();
        for name in [
            "drop_answer",
            "reset",
            "late_commit",
            "slow",
            "cut_body",
            "too_many",
            "busy",
            "busy_html",
            "gateway_timeout",
            "gateway_timeout_done",
            "unauthorized",
            "storm_412",
            "throttled",
            "plain",
            "torn_answer",
            "endless",
            "cut_request",
        ] {
            assert!(injected.contains_key(name), "{name}: {injected:?}");
        }
    }
}
