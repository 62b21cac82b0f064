// The gRPC service as a JavaScript program sees it.

import path from 'node:path';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { top } from './programs.js';

const definition = protoLoader.loadSync('livekit/token/v1/token_service.proto', {
  includeDirs: [path.join(top, 'proto'), path.join(top, 'proto/protocol')],
  keepCase: false,
  enums: String,
  longs: Number,
  oneofs: true,
});
const { TokenService } = grpc.loadPackageDefinition(definition).livekit.token.v1;

// A client whose methods return promises; close() ends it.
export function connect(address) {
  const client = new TokenService(address, grpc.credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  const call = (method) => promisify(client[method].bind(client));
  return {
    issue: call('issueParticipantToken'),
    mint: call('mintAccessToken'),
    verify: call('verifyAccessToken'),
    close: () => client.close(),
  };
}
