// A token endpoint on express and livekit-server-sdk, as in LiveKit's documented Node.js example but with room_config
// that keeps its agents and with 201; two cluster workers.
import cluster from 'node:cluster';
import express from 'express';
import { AccessToken, RoomConfiguration } from 'livekit-server-sdk';

const { PORT, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, LIVEKIT_URL } = process.env;

async function getToken(request, response) {
  const body = request.body ?? {};
  const token = new AccessToken(LIVEKIT_API_KEY, LIVEKIT_API_SECRET, {
    identity: body.participant_identity ?? 'user',
    name: body.participant_name,
    metadata: body.participant_metadata,
    attributes: body.participant_attributes,
  });
  token.addGrant({ roomJoin: true, room: body.room_name ?? 'room' });
  if (body.room_config) {
    token.roomConfig = RoomConfiguration.fromJson(body.room_config, { ignoreUnknownFields: true });
  }
  response.status(201).json({ server_url: LIVEKIT_URL, participant_token: await token.toJwt() });
}

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  const app = express();
  app.use(express.json());
  app.post('/getToken', getToken);
  app.listen(Number(PORT), '127.0.0.1');
}
