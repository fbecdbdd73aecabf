//! The list of what was acknowledged: one line for each webhook that got a 2xx, on the disk before the sender goes on. It
//! belongs to the sender, so it can be held against what the receiver says it has.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// A webhook that was answered 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The shop's `*.myshopify.com` name.
    pub shop: String,
    /// `X-Shopify-Topic`.
    pub topic: String,
    /// `X-Shopify-Webhook-Id`.
    pub webhook_id: String,
    /// The order that it told of.
    pub order_id: u64,
}

/// An append-only file of receipts. Handles share one file.
#[derive(Clone, Debug)]
pub struct Receipts {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl Receipts {
    /// A new file; there must be none yet.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(file)) })
    }

    /// Enters one and returns when it is on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn enter(&self, receipt: &Receipt) -> io::Result<()> {
        let line = json!({"shop": receipt.shop, "topic": receipt.topic, "webhook_id": receipt.webhook_id,
            "order_id": receipt.order_id.to_string()});
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()
        });
        written.await.map_err(io::Error::other)?
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(&self) -> io::Result<Vec<Receipt>> {
        std::fs::read_to_string(&self.path)?.lines().map(parse).collect()
    }
}

fn parse(line: &str) -> io::Result<Receipt> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("this is no receipt: {line}"));
    let value: Value = serde_json::from_str(line).map_err(|_| broken())?;
    let text = |name: &str| value[name].as_str().map(str::to_owned).ok_or_else(broken);
    let order_id = text("order_id")?.parse().map_err(|_| broken())?;
    Ok(Receipt { shop: text("shop")?, topic: text("topic")?, webhook_id: text("webhook_id")?, order_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_receipt_stands_in_the_file_when_it_is_entered_and_an_earlier_list_is_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("receipts");
        let receipts = Receipts::create(&path).expect("made");
        let receipt = |order_id| Receipt {
            shop: "a.myshopify.com".to_owned(),
            topic: "orders/create".to_owned(),
            webhook_id: format!("w-{order_id}"),
            order_id,
        };
        receipts.enter(&receipt(5_580_473_532_552)).await.expect("entered");
        assert_eq!(receipts.read().expect("reads"), [receipt(5_580_473_532_552)]);
        receipts.clone().enter(&receipt(2)).await.expect("entered");
        assert_eq!(receipts.read().expect("reads").len(), 2);
        assert!(Receipts::create(&path).is_err());
        std::fs::write(&path, "{}\n").expect("writes");
        assert!(receipts.read().is_err());
    }
}
