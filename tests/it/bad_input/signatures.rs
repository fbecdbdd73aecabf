//! Ten thousand signatures that are not quite right.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use futures::StreamExt as _;
use ml_connector::sandbox::shopify::{Story, signature};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::support::database::Database;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

/// How many are tried.
const COUNT: usize = 10_000;
/// How many at one time.
const AT_ONCE: usize = 16;

/// Signature headers, and whether the body is another one.
struct Forged {
    signatures: Vec<String>,
    body: Vec<u8>,
}

/// Something that is not the one right signature of these bytes.
fn forged(right: &str, secret: &str, body: &[u8], random: &mut StdRng) -> Forged {
    let raw = STANDARD.decode(right).expect("base64");
    let text = match random.random_range(0..19) {
        0..4 => {
            let mut raw = raw;
            raw[random.random_range(0..32)] ^= 1 << random.random_range(0..8);
            STANDARD.encode(raw)
        }
        4 => right[..random.random_range(0..right.len())].to_owned(),
        5 => STANDARD.encode(&raw[..random.random_range(0..32)]),
        6 => STANDARD_NO_PAD.encode(&raw),
        7 => format!("{right}{}", ["=", "==", "A", "AAAA", ",", ";", "\0"].choose(random).expect("some")),
        8 => {
            let at = random.random_range(1..right.len() - 1);
            format!("{}{}{}", &right[..at], [" ", "\t", "  ", "%20", "="].choose(random).expect("some"), &right[at..])
        }
        9 => swapped_case(right, random),
        10 => URL_SAFE.encode(&raw),
        11 => hex::encode(&raw),
        12 => format!("sha256={right}"),
        13 => signature(&random_text(random), body),
        14 => signature(secret, &[body, b" "].concat()),
        15 => STANDARD.encode((0..random.random_range(0..80)).map(|_| random.random()).collect::<Vec<u8>>()),
        16 => random_text(random),
        // A letter of the alphabet is another one.
        17 => {
            let mut text = right.as_bytes().to_vec();
            let at = random.random_range(0..43);
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(text).expect("ASCII")
        }
        // Longer than any row takes: what is cut off must not make it right.
        _ => format!("{right}{}x", " ".repeat(random.random_range(200..400))),
    };
    let signatures = match random.random_range(0..20) {
        0 => vec![],
        1 => vec![right.to_owned(), text.clone()],
        2 => vec![right.to_owned(), right.to_owned()],
        3 => vec![format!("{right}, {right}")],
        _ => vec![text],
    };
    // Rightly signed is only what says so of these very bytes.
    if signatures == [right] || random.random_bool(0.1) {
        let mut other = body.to_vec();
        let at = random.random_range(0..other.len());
        other[at] ^= 1 << random.random_range(0..7);
        return Forged { signatures: vec![right.to_owned()], body: other };
    }
    Forged { signatures, body: body.to_vec() }
}

fn swapped_case(text: &str, random: &mut StdRng) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    let all = random.random_bool(0.5);
    let letters: Vec<usize> = text.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    let one = *letters.choose(random).expect("base64 of 32 bytes has a letter");
    text.char_indices().map(|(at, letter)| if all || at == one { swap(letter) } else { letter }).collect()
}

fn random_text(random: &mut StdRng) -> String {
    (0..random.random_range(0..60)).map(|_| char::from(random.random_range(32..127_u8))).collect()
}

#[actix_rt::test]
async fn ten_thousand_forged_signatures_are_answered_401_and_leave_no_row() {
    let world = World::new(Database::sqlite(), Setup::default()).await;
    let service = world.service().await;
    let url = format!("http://{}/webhooks/acme", service.webhooks());
    let (secret, webhook) = (world.shop().webhook_secret(), Webhook::of_new_order(&world, Story::Plain));
    let body: Vec<u8> = webhook.body.to_vec();
    let right = signature(&secret, &body);
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let send = |forged: Forged| {
        let mut request = client.post(&url).header("X-Shopify-Topic", "orders/create").body(forged.body);
        for text in &forged.signatures {
            // What HTTP forbids is sent as far as it allows.
            let value = reqwest::header::HeaderValue::from_bytes(text.as_bytes());
            let value = value.unwrap_or_else(|_| reqwest::header::HeaderValue::from_static("?"));
            request = request.header("X-Shopify-Hmac-Sha256", value);
        }
        async move { (request.send().await.expect("an answer").status().as_u16(), forged.signatures) }
    };
    let mut random = StdRng::seed_from_u64(7);
    let all: Vec<Forged> = (0..COUNT).map(|_| forged(&right, &secret, &body, &mut random)).collect();
    let mut answers = futures::stream::iter(all).map(send).buffer_unordered(AT_ONCE);
    let mut taken = Vec::new();
    while let Some((status, signatures)) = answers.next().await {
        if status != 401 {
            taken.push((status, signatures));
        }
    }
    drop(answers);
    assert!(taken.is_empty(), "{} were not answered 401: {:?}", taken.len(), &taken[..taken.len().min(10)]);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
    // It was the signatures.
    let signed = Forged { signatures: vec![right.clone()], body: body.clone() };
    let request = send(signed).await;
    assert_eq!(request.0, 200);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
    service.stop().await;
}
