//! The buyers of the simulated shop: invented names and addresses with the letters and lengths that real
//! ones have. No real person.

use rand::Rng;
use rand::rngs::StdRng;

use super::model::Address;

const FIRST: [&str; 14] = [
    "Åsa",
    "Jürgen",
    "Zoë",
    "Siân",
    "Haruka",
    "Bjørn",
    "Anna-Lena",
    "Mary Jane",
    "Łukasz",
    "José",
    "Ida",
    "Renée",
    "Øystein",
    "Max",
];
const LAST: [&str; 14] = [
    "Öberg",
    "Müller-Lüdenscheidt",
    "O'Brien",
    "佐藤",
    "Smith",
    "Næss",
    "von der Straße",
    "Davies",
    "García",
    "Larsson",
    "Weiß",
    "Kjær",
    "Underhill",
    "Tanaka",
];
const COMPANIES: [&str; 7] = [
    "Grün & Söhne GmbH",
    "Nordic Supply AB",
    "\"Quoted\" Traders Ltd.",
    "Möbelhaus Überlingen-Süd Gesellschaft für Wohnkultur und Einrichtungsbedarf mbH & Co. KG",
    "Smith; Wesson, Partners",
    "Åkerlund's",
    "=SUM(A1) Holding",
];

struct Country {
    name: &'static str,
    code: &'static str,
    cities: &'static [(&'static str, &'static str)],
    streets: &'static [&'static str],
    provinces: &'static [(&'static str, &'static str)],
}

/// Countries by code; each street is at most 35 characters or breaks into two lines of 35.
static COUNTRIES: [Country; 6] = [
    Country {
        name: "Germany",
        code: "DE",
        cities: &[("Köln", "50667"), ("Überlingen", "88662"), ("Weißenburg in Bayern", "91781")],
        streets: &["Gänsemarkt 7", "Straße des 17. Juni 135", "Am Alten Rathaus beim Großen Brunnen 12 b"],
        provinces: &[],
    },
    Country {
        name: "Sweden",
        code: "SE",
        cities: &[("Malmö", "211 20"), ("Örebro", "702 11"), ("Göteborg", "411 03")],
        streets: &["Östra Ågatan 5", "Drottninggatan 71 C", "Kungsängsvägen 100"],
        provinces: &[],
    },
    Country {
        name: "United Kingdom",
        code: "GB",
        cities: &[("London", "SW1A 1AA"), ("Llanfairpwllgwyngyll", "LL61 5UJ")],
        streets: &[
            "1 St. Mary's Close",
            "Flat 3, 22b Baker Street",
            "The Old Rectory behind the Church of Saint James",
        ],
        provinces: &[("England", "ENG"), ("Wales", "WLS")],
    },
    Country {
        name: "United States",
        code: "US",
        cities: &[("Portland", "97205"), ("St. Louis", "63101")],
        streets: &["123 Main St", "4500 NE Martin Luther King Jr Blvd"],
        provinces: &[("Oregon", "OR"), ("Missouri", "MO")],
    },
    Country {
        name: "Japan",
        code: "JP",
        cities: &[("港区", "105-0011"), ("Kyōto", "600-8216")],
        streets: &["芝公園4-2-8", "Higashi-Shiokōji 901"],
        provinces: &[("Tōkyō", "JP-13"), ("Kyōto", "JP-26")],
    },
    Country {
        name: "Norway",
        code: "NO",
        cities: &[("Tromsø", "9008"), ("Ålesund", "6002")],
        streets: &["Storgata 12", "Sjøgata 8 A"],
        provinces: &[],
    },
];

/// Country codes that the shop sells to.
pub(super) fn country_code(index: usize) -> &'static str {
    COUNTRIES[index % COUNTRIES.len()].code
}

/// An address in a country of the shop.
pub(super) fn address(random: &mut StdRng, country_code: &str) -> Address {
    let country = COUNTRIES.iter().find(|country| country.code == country_code).unwrap_or(&COUNTRIES[0]);
    let (city, zip) = country.cities[random.random_range(0..country.cities.len())];
    let street = country.streets[random.random_range(0..country.streets.len())];
    let second_line = street.chars().count() <= 35 && random.random_bool(0.2);
    let company = random.random_bool(0.2).then(|| COMPANIES[random.random_range(0..COMPANIES.len())].to_owned());
    let province = match country.provinces {
        [] => None,
        provinces => Some(provinces[random.random_range(0..provinces.len())]),
    };
    Address {
        first_name: FIRST[random.random_range(0..FIRST.len())].to_owned(),
        last_name: LAST[random.random_range(0..LAST.len())].to_owned(),
        company,
        address1: street.to_owned(),
        address2: second_line.then(|| "c/o Hausverwaltung, 3. Stock links".to_owned()),
        zip: zip.to_owned(),
        city: city.to_owned(),
        province,
        country: Some((country.name, country.code)),
        phone: random.random_bool(0.5).then(|| "+4915500000000".to_owned()),
    }
}

/// An e-mail address that belongs to nobody.
pub(super) fn email(random: &mut StdRng) -> String {
    format!("Buyer.{}@example.com", random.random_range(1..500_u32))
}
