//! The store of stock on both databases: what goes again of a call that set nothing.

use jiff::Timestamp;
use ml_connector::store::{CallEnd, LevelFate, LevelOutcome, LevelState};

use crate::stock_store::{at, on_each, plan};

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

#[actix_rt::test]
async fn a_parked_level_stays_so_while_it_would_rise_also_where_it_may_not() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4)]).await;
        stage.plan(&[(1, 6)]).await;
        let call = stage.call().await.expect("it differs");
        let parked = LevelFate::Parked { code: "refused".to_owned(), text: "no".to_owned() };
        stage.end(&call, CallEnd::Refused(vec![(0, parked)])).await.expect("settles");
        let ends = [(6, 6, LevelState::Parked), (4, 6, LevelState::Parked), (4, 4, LevelState::Quiet)];
        for (quantity, wanted, state) in ends {
            let target = LevelOutcome::Target { quantity, wanted, terms: "{}".to_owned() };
            let plans = vec![plan(&stage.level(1).await, target)];
            stage.store.put_stock_plans(&stage.lease, &stage.name, plans, at(5)).await.expect("keeps");
            let level = stage.level(1).await;
            assert_eq!(
                (level.state, level.reason.is_some()),
                (state, state == LevelState::Parked),
                "{quantity} of {wanted}"
            );
        }
        assert_eq!(stage.call().await, None, "nobody is asked");
    })
    .await;
}

#[actix_rt::test]
async fn calls_that_set_nothing_are_counted_to_the_last_that_did_and_not_for_ever() {
    on_each(async |stage| {
        let fruitless =
            async |since| stage.store.fruitless_stock_calls(&stage.name, at(since), 10).await.expect("counts");
        stage.read_now(1, &[(1, 1), (2, 1)]).await;
        stage.plan(&[(1, 5), (2, 5)]).await;
        for (end, count) in
            [(CallEnd::Split, 1), (CallEnd::Done, 0), (CallEnd::Refused(vec![(0, LevelFate::Stale)]), 1)]
        {
            let call = stage.call().await.expect("there is more");
            stage.end(&call, end).await.expect("settles");
            assert_eq!(fruitless(0).await, count);
        }
        assert_eq!(fruitless(5).await, 0, "all of them ended before");
    })
    .await;
}
