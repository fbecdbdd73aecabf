//! What a reading told of a part, as it is kept in `stock_parts` between the reading and the plan: the sums that the rules make of IFS's
//! rows, never the rows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::StockError;
use crate::domain::stock::{DemandLine, StockRow};
use crate::ifs;
use crate::mapping::scalar::exact;
use crate::mapping::stock::rows::{LocationStock, PartStock, PartSums};

/// The stock of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StockFigures {
    /// Its rows, summed.
    Sums {
        /// At each location of the shop.
        locations: Vec<AtLocation>,
        /// Reserved at the whole site.
        #[serde(with = "exact")]
        reserved: Decimal,
    },
    /// It changed each time it was read.
    NotRead,
    /// It holds something that no rule knows.
    Unclear(String),
}

/// The stock at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AtLocation {
    location: u64,
    #[serde(with = "exact")]
    on_hand: Decimal,
    #[serde(with = "exact")]
    reserved: Decimal,
}

/// What open lines take of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DemandFigures {
    /// The lines, summed.
    Sums {
        /// Beyond what is reserved for them.
        #[serde(with = "exact")]
        unreserved: Decimal,
        /// Reserved or not.
        #[serde(with = "exact")]
        open: Decimal,
    },
    /// They changed each time they were read, or one of them cannot be read.
    NotRead,
}

impl StockFigures {
    /// Whether these kept figures tell of any stock.
    pub(super) fn had_stock(text: &str) -> bool {
        match serde_json::from_str(text) {
            Ok(Self::Sums { locations, reserved }) => {
                !reserved.is_zero() || locations.iter().any(|at| !at.on_hand.is_zero())
            }
            // What could not be read may be any amount.
            Ok(Self::NotRead | Self::Unclear(_)) => true,
            Err(_) => false,
        }
    }
}

impl From<PartStock> for StockFigures {
    fn from(stock: PartStock) -> Self {
        match stock {
            PartStock::Read(sums) => {
                let at = |sum: &LocationStock| AtLocation {
                    location: sum.location,
                    on_hand: sum.on_hand,
                    reserved: sum.reserved,
                };
                Self::Sums { locations: sums.locations.iter().map(at).collect(), reserved: sums.reserved }
            }
            PartStock::NotRead => Self::NotRead,
            PartStock::Unclear(what) => Self::Unclear(what),
        }
    }
}

impl From<StockFigures> for PartStock {
    fn from(figures: StockFigures) -> Self {
        match figures {
            StockFigures::Sums { locations, reserved } => {
                let at = |sum: AtLocation| LocationStock {
                    location: sum.location,
                    on_hand: sum.on_hand,
                    reserved: sum.reserved,
                };
                Self::Read(PartSums { locations: locations.into_iter().map(at).collect(), reserved })
            }
            StockFigures::NotRead => Self::NotRead,
            StockFigures::Unclear(what) => Self::Unclear(what),
        }
    }
}

impl DemandFigures {
    /// Nothing: no line was named by a reading that came to its end.
    pub(super) const NONE: Self = Self::Sums { unreserved: Decimal::ZERO, open: Decimal::ZERO };

    /// Whether these kept figures tell of any open line. What was not read had lines: there was something to be read.
    pub(super) fn had_lines(text: &str) -> bool {
        match serde_json::from_str(text) {
            Ok(Self::Sums { open, .. }) => !open.is_zero(),
            Ok(Self::NotRead) => true,
            Err(_) => false,
        }
    }

    /// Of the open lines of a part; none of one that changed each time.
    pub(super) fn of(lines: Option<&[ifs::OpenLine]>) -> Self {
        let Some(lines) = lines else { return Self::NotRead };
        let (mut unreserved, mut open) = (Decimal::ZERO, Decimal::ZERO);
        for line in lines {
            let line = DemandLine { due: line.due, assigned: line.assigned, shipped: line.shipped };
            unreserved = unreserved.saturating_add(line.unreserved());
            open = open.saturating_add(line.open());
        }
        Self::Sums { unreserved, open }
    }
}

/// A row of IFS's as the rules take it.
pub(super) fn row_of(part_no: &str, row: ifs::StockRow) -> StockRow {
    StockRow {
        part_no: part_no.to_owned(),
        on_hand: row.on_hand,
        reserved: row.reserved,
        warehouse: row.warehouse,
        location_type: row.location_type,
        availability_control: row.availability_control,
        is_frozen: row.is_frozen,
        ownership: row.ownership,
        condition: row.condition,
        project: row.project,
        expires: row.expires,
    }
}

/// Figures as they are kept.
pub(super) fn kept<T: Serialize>(figures: &T) -> String {
    serde_json::to_string(figures).expect("figures are JSON")
}

/// Figures as they were kept.
///
/// # Errors
/// Another version wrote them, or a person.
pub(super) fn read<T: for<'de> Deserialize<'de>>(part_no: &str, text: &str) -> Result<T, StockError> {
    serde_json::from_str(text).map_err(|_| StockError::Figures(part_no.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_part_is_read_back() {
        let figure = Decimal::from_str_exact;
        let [two_halves, none] = ["2.50", "0"].map(|text| figure(text).expect("a figure"));
        let location = LocationStock { location: 7, on_hand: two_halves, reserved: none };
        for stock in [
            PartStock::Read(PartSums { locations: vec![location], reserved: two_halves }),
            PartStock::NotRead,
            PartStock::Unclear("odd".into()),
        ] {
            let text = kept(&StockFigures::from(stock.clone()));
            let back: StockFigures = read("CUP", &text).expect("reads");
            assert_eq!(PartStock::from(back), stock);
        }
        let line = |due: i64, assigned: i64| ifs::OpenLine {
            due: due.into(),
            assigned: assigned.into(),
            shipped: Decimal::ZERO,
        };
        let demand = DemandFigures::of(Some(&[line(5, 2), line(1, 1)]));
        assert_eq!(demand, DemandFigures::Sums { unreserved: Decimal::from(3), open: Decimal::from(6) });
        assert_eq!(read::<DemandFigures>("CUP", &kept(&demand)).expect("reads"), demand);
        assert!(read::<DemandFigures>("CUP", "{}").is_err());
        for (figures, had) in [(demand, true), (DemandFigures::NotRead, true), (DemandFigures::NONE, false)] {
            assert_eq!(DemandFigures::had_lines(&kept(&figures)), had, "{figures:?}");
        }
    }
}
