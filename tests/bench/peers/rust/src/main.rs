//! A token endpoint on axum and livekit-api, as in LiveKit's documented Rust example but with room_config and with 201.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol::RoomConfiguration;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct TokenRequest {
    room_name: Option<String>,
    participant_name: Option<String>,
    participant_identity: Option<String>,
    participant_metadata: Option<String>,
    #[serde(default)]
    participant_attributes: HashMap<String, String>,
    room_config: Option<RoomConfiguration>,
}

#[derive(Serialize)]
struct TokenResponse {
    server_url: String,
    participant_token: String,
}

struct Settings {
    url: String,
    key: String,
    secret: String,
}

async fn get_token(
    State(settings): State<Arc<Settings>>,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, Json<TokenResponse>), StatusCode> {
    let mut token = AccessToken::with_api_key(&settings.key, &settings.secret)
        .with_identity(request.participant_identity.as_deref().unwrap_or("user"))
        .with_name(request.participant_name.as_deref().unwrap_or_default())
        .with_grants(VideoGrants {
            room_join: true,
            room: request.room_name.unwrap_or_else(|| "room".to_owned()),
            ..Default::default()
        });
    if let Some(metadata) = &request.participant_metadata {
        token = token.with_metadata(metadata);
    }
    if !request.participant_attributes.is_empty() {
        token = token.with_attributes(&request.participant_attributes);
    }
    if let Some(config) = request.room_config {
        token = token.with_room_config(config);
    }
    let participant_token = token.to_jwt().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let answer = TokenResponse { server_url: settings.url.clone(), participant_token };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

async fn serve() -> std::io::Result<()> {
    let settings = Settings {
        url: setting("LIVEKIT_URL"),
        key: setting("LIVEKIT_API_KEY"),
        secret: setting("LIVEKIT_API_SECRET"),
    };
    let app = Router::new().route("/getToken", post(get_token)).with_state(Arc::new(settings));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", setting("PORT"))).await?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build()?.block_on(serve())
}
