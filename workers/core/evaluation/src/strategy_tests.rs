use super::*;

fn sessions(closes: &[f64], forecasts: &[f64]) -> Vec<Session> {
    let both = closes.iter().zip(forecasts).enumerate();
    both.map(|(t, (close, forecast))| Session {
        event_time: t as i64,
        close: *close,
        forecast: Some(*forecast),
    })
    .collect()
}

fn rules(horizon: usize, delay: usize, cost_bps: f64) -> Rules {
    Rules {
        cost_bps,
        horizon,
        delay,
        sessions_per_year: 4.0,
    }
}

#[test]
fn returns_and_costs_by_hand() {
    // Long over 100 -> 110, flat over 110 -> 99, long over 99 -> 99: three changes at 1 %.
    let data = sessions(&[100.0, 110.0, 99.0, 99.0], &[101.0, 0.0, 200.0, 0.0]);
    let seen = simulate(&data, &rules(1, 0, 100.0)).unwrap();
    let expected = [0.99 * 1.1 - 1.0, -0.01, -0.01];
    for (a, b) in seen.returns.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12, "{seen:?}");
    }
    let s = seen.strategy;
    assert!((s.total_return - (0.99f64.powi(3) * 1.1 - 1.0)).abs() < 1e-12);
    assert!(
        (s.turnover - 4.0).abs() < 1e-12,
        "3 in 3 of 4 sessions a year"
    );
    assert!((s.exposure - 2.0 / 3.0).abs() < 1e-12);
    // From 0.99 * 1.1 two losses of 1 %.
    assert!((s.max_drawdown - (1.0 - 0.99f64.powi(2))).abs() < 1e-12);
    assert!((s.annual_return - ((1.0 + s.total_return).powf(4.0 / 3.0) - 1.0)).abs() < 1e-12);
    assert!((seen.hold.total_return - (0.99 * 0.99 - 1.0)).abs() < 1e-12);
    assert!((seen.hold.max_drawdown - 0.1).abs() < 1e-12);
}

#[test]
fn a_forecast_is_held_for_its_horizon_in_tranches_and_traded_later() {
    let mut data = sessions(&[1.0; 8], &[0.0; 8]);
    data[2].forecast = Some(2.0);
    let held = |horizon, delay| positions(&data, &rules(horizon, delay, 0.0));
    let third = 1.0 / 3.0;
    assert_eq!(held(3, 0), [0.0, 0.0, third, third, third, 0.0, 0.0]);
    assert_eq!(held(3, 1), [0.0, 0.0, 0.0, third, third, third, 0.0]);
    assert_eq!(held(1, 0), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(held(1, 99), [0.0; 7]);
}

#[test]
fn a_delayed_trade_cannot_earn_the_move_it_saw() {
    // The forecast knows the next move: earned with no delay, not earned a session later.
    let closes: Vec<f64> = (0..100).map(|t| 100.0 + f64::from((t / 2) % 2)).collect();
    let mut next = closes.clone();
    next.rotate_left(1);
    let data = sessions(&closes, &next);
    let at = |delay| simulate(&data, &rules(1, delay, 0.0)).unwrap().strategy;
    assert!(at(0).total_return > 0.2 && at(1).total_return < 1e-9);
    assert_eq!(at(0).max_drawdown, 0.0);
}

#[test]
fn edges() {
    let flat = simulate(&sessions(&[5.0; 9], &[5.0; 9]), &rules(5, 1, 10.0)).unwrap();
    assert_eq!(
        (flat.strategy.total_return, flat.strategy.sharpe),
        (0.0, None)
    );
    let good = sessions(&[5.0; 9], &[5.0; 9]);
    assert!(simulate(&good[..2], &rules(1, 0, 0.0)).is_err());
    assert!(simulate(&good, &rules(0, 0, 0.0)).is_err());
    assert!(simulate(&good, &rules(1, 0, f64::NAN)).is_err());
    for change in [0.0, f64::NAN, -1.0, f64::INFINITY] {
        let mut bad = good.clone();
        bad[3].close = change;
        assert!(simulate(&bad, &rules(1, 0, 0.0)).is_err());
    }
    let mut twice = good.clone();
    twice[4].event_time = 3;
    assert!(simulate(&twice, &rules(1, 0, 0.0)).is_err());
    let far = simulate(&good, &rules(usize::MAX, usize::MAX, 0.0)).unwrap();
    assert_eq!(far.strategy.exposure, 0.0);
    let mut wild = sessions(&[1e-300, 1e300, 1e-300, 1e300], &[1e301; 4]);
    wild[0].forecast = Some(1.0);
    assert!(simulate(&wild, &rules(1, 0, 0.0)).is_err());
    let mut timeless = rules(1, 0, 0.0);
    timeless.sessions_per_year = 0.0;
    assert!(simulate(&good, &timeless).is_err());
}
