//! What is answered about sessions that nobody knows yet.

use super::*;

/// Milliseconds of a time.
fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[actix_web::test]
async fn a_forecast_behind_the_end_of_the_calendar_is_refused_and_has_no_made_up_dates() {
    // Two sessions ahead: of the 29th the last ones that are known, of the 30th one that is not.
    for (last, refused) in [
        ("2027-12-29T21:00:00Z", false),
        ("2027-12-30T21:00:00Z", true),
        ("2027-12-31T21:00:00Z", true),
        ("2028-03-01T21:00:00Z", true),
    ] {
        let state = state();
        state.answer_with(model(3));
        put(&state, [row(at(last))]);
        let app = app!(state);
        for uri in ["/v1/forecasts/X", "/v1/forecasts"] {
            let response = call_service(&app, TestRequest::get().uri(uri).to_request()).await;
            let status = response.status();
            let body: Value = read_body_json(response).await;
            if !refused {
                assert_eq!(status, StatusCode::OK, "{body}");
                let dates = json!(["2027-12-30", "2027-12-31"]);
                let one = body.get("forecasts").map_or(&body, |all| &all[0]);
                assert_eq!(one["dates"], dates, "{body}");
                continue;
            }
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{last} {body}");
            assert_eq!(body["error"]["type"], "CalendarExpired");
            let message = body["error"]["message"].as_str().unwrap();
            for word in ["2027-12-31", "XNYS", "calendarOverrides"] {
                assert!(message.contains(word), "{message}");
            }
        }
    }
}

#[actix_web::test]
async fn a_series_behind_the_end_of_the_calendar_is_refused_by_its_start() {
    let state = state();
    state.answer_with(model(1));
    let app = app!(state);
    for (start, points, status) in [
        (Some("2027-12-28T21:00:00Z"), 3, StatusCode::OK),
        (Some("2027-12-28T21:00:00Z"), 4, StatusCode::BAD_REQUEST),
        (Some("2028-02-01T21:00:00Z"), 3, StatusCode::BAD_REQUEST),
        // Its days are of no calendar.
        (None, 8_000, StatusCode::OK),
    ] {
        let mut input = json!({"type": "univariate_time_series", "series": vec![100.0; points]});
        if let Some(start) = start {
            input["start_timestamp"] = json!(start);
        }
        let request = TestRequest::post()
            .uri("/v1/timeseries/forecast")
            .set_json(json!({"inputs": [input]}))
            .to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), status, "{start:?} {points}");
        let answer: Value = read_body_json(response).await;
        if status == StatusCode::BAD_REQUEST {
            assert_eq!(answer["error"]["param"], "inputs[0].start_timestamp");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains("2027-12-31"), "{message}");
        }
    }
}
