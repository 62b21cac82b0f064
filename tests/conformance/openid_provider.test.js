// A real OpenID provider: discovery, keys and their change, access tokens in both forms, introspection, revocation.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import * as jose from 'jose';
import { TokenVerifier } from 'livekit-server-sdk';
import Provider from 'oidc-provider';
import { apiKey, apiSecret, startWith } from './programs.js';

const verifier = new TokenVerifier(apiKey, apiSecret);
const jwtResource = 'urn:calls';
const otherResource = 'urn:mail';
const opaqueResource = 'urn:rooms';

// The service asks for keys at most this often because of a key id that it does not know.
const cooldown = 30_000;

async function newKey(kid) {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { ...(await jose.exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

function configuration(keys) {
  return {
    jwks: { keys },
    cookies: { keys: ['signs-cookies'] },
    clients: [
      {
        client_id: 'app',
        client_secret: 'secret-of-app',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: 'token-service',
        client_secret: 'secret of:token%service',
        grant_types: [],
        redirect_uris: [],
        response_types: [],
      },
    ],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource,
          scope: 'calls:join',
          accessTokenTTL: 300,
          accessTokenFormat: resource === opaqueResource ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}

const config = (issuer, introspection) => `
projects:
  - { name: main, client_url: wss://acme.example, keys: { env: true } }
rate_limits: { auth_failures_per_address: off }
authenticators:
  - { name: users, jwt: { issuer: "${issuer}", audiences: [${jwtResource}], algorithms: [RS256], allow_http: true } }
  - { name: login, jwt: { issuer: "${issuer}", audiences: [app], algorithms: [RS256], allow_http: true, header: x-id-token } }
  - { name: opaque, oauth2_introspection: { url: "${introspection}", allow_http: true, client_id: token-service, client_secret_file: SECRET, audiences: ["${opaqueResource}"], cache_ttl: 0s } }
policies:
  - { name: user, match: { authenticator: users, scopes: [calls:join] }, room: { client: allow }, identity: { client: forbid, value: "jwt-{subject}" } }
  - { name: login, match: { authenticator: login }, room: { client: allow }, identity: { client: forbid, value: "login-{subject}" } }
  - { name: opaque, match: { authenticator: opaque, scopes: [calls:join] }, room: { client: allow }, identity: { client: forbid, value: "opaque-{subject}" } }
gateway: { relay_headers: [authorization, x-id-token] }
`;

describe('oidc-provider', () => {
  let server;
  let provider;
  let issuer;
  let running;
  let url;
  const asked = [];

  // Other keys at the same address, as after a rotation.
  function serve(keys) {
    provider = new Provider(issuer, configuration(keys));
  }
  before(async () => {
    server = createServer((request, response) => {
      asked.push(request.url);
      provider.callback()(request, response);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${server.address().port}`;
    serve([await newKey('first')]);
    running = await startWith(config(issuer, `${issuer}/token/introspection`), { SECRET: 'secret of:token%service' });
    url = `http://${running.addresses.http}/getToken`;
  });
  after(async () => {
    await running?.stop();
    server?.closeAllConnections();
    server?.close();
  });

  const ask = (token, header = 'Authorization') =>
    fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        [header]: header === 'Authorization' ? `Bearer ${token}` : token,
      },
      body: '{"room_name":"lobby"}',
    });
  async function verdict(token, header) {
    const response = await ask(token, header);
    return response.ok ? '201' : `${response.status} ${(await response.json()).reason}`;
  }
  async function claimsFor(token) {
    const response = await ask(token);
    assert.equal(response.status, 201, await response.clone().text());
    return verifier.verify((await response.json()).participant_token);
  }

  // What the provider's token endpoint gives the app itself.
  async function clientToken(resource) {
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from('app:secret-of-app').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'calls:join' }),
    });
    const answer = await response.json();
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer.access_token;
  }
  // A user's token as the provider makes it after a login.
  async function userToken(account, resource, expiresIn = 300) {
    const grant = new provider.Grant({ accountId: account, clientId: 'app' });
    grant.addResourceScope(resource, 'calls:join');
    const token = new provider.AccessToken({
      accountId: account,
      client: await provider.Client.find('app'),
      grantId: await grant.save(300),
      gty: 'authorization_code',
      scope: 'calls:join',
      expiresIn,
    });
    token.resourceServer = new provider.ResourceServer(resource, {
      ...configuration([]).features.resourceIndicators.getResourceServerInfo(undefined, resource),
    });
    return token.save();
  }
  const revoke = (token) =>
    fetch(`${issuer}/token/revocation`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from('app:secret-of-app').toString('base64')}` },
      body: new URLSearchParams({ token }),
    });

  it('has its keys found by discovery', async () => {
    const token = await userToken('ann', jwtResource);
    assert.equal(jose.decodeProtectedHeader(token).typ, 'at+jwt');
    const claims = await claimsFor(token);
    assert.equal(claims.sub, 'jwt-ann');
    assert.equal(claims.video.room, 'lobby');
    assert.ok(asked.includes('/.well-known/openid-configuration'));
    assert.ok(asked.includes('/jwks'));
    assert.equal((await claimsFor(await clientToken(jwtResource))).sub, 'jwt-app');
  });

  it('has its tokens for others refused', async () => {
    assert.equal(await verdict(await userToken('ann', otherResource)), '401 AUTHENTICATION_FAILED');
    assert.equal(await verdict(await clientToken(otherResource)), '401 AUTHENTICATION_FAILED');
    const expired = await userToken('ann', jwtResource, -120);
    assert.equal(await verdict(expired), '401 AUTHENTICATION_FAILED');
  });

  it('has its ID tokens refused, and other signed types even where ID tokens count', async () => {
    const client = await provider.Client.find('app');
    const make = (use) => {
      const token = new provider.IdToken({ sub: 'ann' }, { client, ctx: undefined });
      token.scope = 'openid';
      token.mask = { sub: null };
      return token.issue({ use, expiresAt: Math.floor(Date.now() / 1000) + 300 });
    };
    const idToken = await make('idtoken');
    const logoutToken = await make('logout');
    assert.equal(jose.decodeJwt(idToken).aud, 'app');
    assert.equal(await verdict(idToken), '401 AUTHENTICATION_FAILED');
    assert.equal(await verdict(idToken, 'X-ID-Token'), '201');

    // Issuer, audience, subject, key and times are those of a login.
    assert.equal(jose.decodeProtectedHeader(logoutToken).typ, 'logout+jwt');
    const { iss, aud, sub, exp } = jose.decodeJwt(logoutToken);
    assert.deepEqual({ iss, aud, sub }, { iss: issuer, aud: 'app', sub: 'ann' });
    assert.ok(exp > Date.now() / 1000);
    assert.equal(await verdict(logoutToken, 'X-ID-Token'), '401 AUTHENTICATION_FAILED');
    assert.equal(await verdict(await userToken('ann', jwtResource), 'X-ID-Token'), '401 AUTHENTICATION_FAILED');
  });

  it('is asked about opaque tokens', async () => {
    const token = await userToken('bob', opaqueResource);
    assert.equal(token.split('.').length, 1);
    const claims = await claimsFor(token);
    assert.equal(claims.sub, 'opaque-bob');
    assert.equal(await verdict(`${token}x`), '401 AUTHENTICATION_FAILED');

    assert.equal((await revoke(token)).status, 200);
    assert.equal(await verdict(token), '401 AUTHENTICATION_FAILED');
  });

  it('that refuses this service is a 503', async () => {
    const other = await startWith(config(issuer, `${issuer}/token/introspection`), { SECRET: 'another-secret' });
    try {
      const response = await fetch(`http://${other.addresses.http}/getToken`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await userToken('bob', opaqueResource)}` },
        body: '{}',
      });
      assert.equal(response.status, 503);
    } finally {
      await other.stop();
    }
    // Complete only now.
    assert.match(other.output, /refuses this service's own `client_id` and secret/);
  });

  it('may change its keys', async () => {
    const before = await userToken('ann', jwtResource);
    assert.equal(await verdict(before), '201');
    serve([await newKey('second')]);
    const changed = Date.now();
    const token = await userToken('ann', jwtResource);
    assert.equal(jose.decodeProtectedHeader(token).kid, 'second');
    assert.equal(await verdict(token), '201', 'an unknown key id is asked about at once');
    assert.ok(Date.now() - changed < 5_000);
    assert.equal(await verdict(before), '401 AUTHENTICATION_FAILED', 'the old key is gone');

    // The next change comes within the time in which nothing is asked for unknown ids.
    serve([await newKey('third')]);
    const late = await userToken('ann', jwtResource);
    assert.equal(await verdict(late), '401 AUTHENTICATION_FAILED');
    const end = changed + cooldown + 10_000;
    let seen;
    do {
      await new Promise((resolve) => setTimeout(resolve, 500));
      seen = await verdict(late);
    } while (seen !== '201' && Date.now() < end);
    assert.equal(seen, '201', 'and is then asked about again');
  });
});
