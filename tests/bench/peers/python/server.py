"""A token endpoint on FastAPI and livekit-api, as in LiveKit's documented Python example but with room_config read into
its message and with 201."""
import os

from fastapi import FastAPI
from google.protobuf.json_format import ParseDict
from livekit import api
from pydantic import BaseModel

KEY = os.environ["LIVEKIT_API_KEY"]
SECRET = os.environ["LIVEKIT_API_SECRET"]
URL = os.environ["LIVEKIT_URL"]


class TokenRequest(BaseModel):
    room_name: str | None = None
    participant_name: str | None = None
    participant_identity: str | None = None
    participant_metadata: str | None = None
    participant_attributes: dict[str, str] | None = None
    room_config: dict | None = None


class TokenResponse(BaseModel):
    server_url: str
    participant_token: str


app = FastAPI()


@app.post("/getToken", status_code=201)
async def get_token(request: TokenRequest) -> TokenResponse:
    token = (
        api.AccessToken(KEY, SECRET)
        .with_identity(request.participant_identity or "user")
        .with_grants(api.VideoGrants(room_join=True, room=request.room_name or "room"))
    )
    if request.participant_name:
        token = token.with_name(request.participant_name)
    if request.participant_metadata:
        token = token.with_metadata(request.participant_metadata)
    if request.participant_attributes:
        token = token.with_attributes(request.participant_attributes)
    if request.room_config:
        config = ParseDict(request.room_config, api.RoomConfiguration(), ignore_unknown_fields=True)
        token = token.with_room_config(config)
    return TokenResponse(server_url=URL, participant_token=token.to_jwt())
