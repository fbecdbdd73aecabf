//! The store of stock on both databases: what goes again of a call that set nothing.

use jiff::Timestamp;
use ml_connector::store::{CallEnd, LevelState};

use crate::stock_store::{at, on_each};

#[actix_rt::test]
async fn a_level_that_was_read_as_another_while_its_call_was_open_is_planned_anew() {
    for end in [CallEnd::Split, CallEnd::Refused(vec![])] {
        on_each(async |stage| {
            stage.read_now(1, &[(1, 5), (2, 5)]).await;
            stage.plan(&[(1, 10), (2, 10)]).await;
            let call = stage.call().await.expect("they differ");
            // Somebody bought of the first one, and the shop is read again before Shopify answers.
            stage.read_now(2, &[(1, 2), (2, 5)]).await;
            stage.end(&call, end.clone()).await.expect("settles");
            // The other one shows the same, and may be planned otherwise by now.
            assert_eq!((stage.state(1).await, stage.state(2).await), (LevelState::Stale, LevelState::Stale));
            assert_eq!(stage.call().await, None);
        })
        .await;
    }
}

#[actix_rt::test]
async fn what_goes_again_of_a_call_is_as_old_as_its_plan() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 1), (2, 1)]).await;
        stage.plan(&[(1, 5), (2, 5)]).await;
        let call = stage.call().await.expect("they differ");
        let aged = |before| stage.store.age_stock_plans(&stage.lease, &stage.name, before, at(4));
        assert_eq!(aged(Timestamp::MAX).await.expect("looks"), 0, "its call goes on");
        stage.end(&call, CallEnd::Split).await.expect("settles");
        assert_eq!(aged(at(1)).await.expect("looks"), 2);
        assert_eq!((stage.state(1).await, stage.call().await), (LevelState::Stale, None));
    })
    .await;
}
