// Tokens that the npm package jose makes: each algorithm, and what an attacker makes of it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import * as jose from 'jose';
import { TokenVerifier } from 'livekit-server-sdk';
import { apiKey, apiSecret, startWith } from './programs.js';

const publicAlgorithms = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ');
const secretAlgorithms = ['HS256', 'HS384', 'HS512'];
const issuer = 'https://login.example/';
const secretIssuer = (alg) => `https://${alg.toLowerCase()}.example/`;

const verifier = new TokenVerifier(apiKey, apiSecret);

// By algorithm: what signs, the issuer, and the key id. The issuer of public keys has one for each algorithm.
const signers = {};
const jwks = { keys: [] };

async function makeKeys() {
  for (const alg of publicAlgorithms) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    signers[alg] = { key: privateKey, publicKey, iss: issuer, kid: `key-${alg}` };
    jwks.keys.push({ ...(await jose.exportJWK(publicKey)), kid: `key-${alg}`, alg, use: 'sig' });
  }
  for (const alg of secretAlgorithms) {
    // In letters, since white space at the end of a file does not count.
    const secret = randomBytes(64).toString('hex').slice(0, Number(alg.slice(2)) / 8);
    signers[alg] = { key: new TextEncoder().encode(secret), secret, iss: secretIssuer(alg) };
  }
}

function configuration() {
  const secrets = secretAlgorithms.map(
    (alg) => `
  - name: ${alg}
    jwt: { issuer: ${secretIssuer(alg)}, audiences: [calls], ${alg.toLowerCase()}_secret_file: SECRET_${alg} }`,
  );
  return `
projects:
  - { name: main, client_url: wss://acme.example, keys: { env: true } }
rate_limits: { auth_failures_per_address: off }
authenticators:
  - { name: public, jwt: { issuer: ${issuer}, audiences: [calls], jwks_file: JWKS } }${secrets.join('')}
policies:
${['public', ...secretAlgorithms]
  .map(
    (name) => `
  - name: ${name}
    match: { authenticator: ${name} }
    room: { client: allow }
    identity: { client: forbid, value: "${name}-{subject}" }
    attributes: { value: { plan: "{claims.plan}" } }`,
  )
  .join('')}
`;
}

// A token by jose; `change` alters it before it is signed.
function sign(alg, change = (jwt) => jwt, header = {}) {
  const { key, iss, kid } = signers[alg];
  const jwt = new jose.SignJWT({ plan: 'pro' })
    .setProtectedHeader({ alg, ...(kid && { kid }), ...header })
    .setIssuer(iss)
    .setAudience('calls')
    .setSubject('alice')
    .setIssuedAt()
    .setExpirationTime('5m');
  return change(jwt).sign(key);
}

describe('tokens of jose', () => {
  let url;
  let running;
  before(async () => {
    await makeKeys();
    const secrets = secretAlgorithms.map((alg) => [`SECRET_${alg}`, signers[alg].secret]);
    running = await startWith(configuration(), { JWKS: JSON.stringify(jwks), ...Object.fromEntries(secrets) });
    url = `http://${running.addresses.http}/getToken`;
  });
  after(async () => running?.child.exitCode ?? running?.stop());

  const ask = (token) =>
    fetch(url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: '{"room_name":"lobby"}',
    });
  async function refused(token, message) {
    const response = await ask(token);
    assert.equal(response.status, 401, message);
    assert.equal((await response.json()).reason, 'AUTHENTICATION_FAILED', message);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"', message);
  }

  for (const alg of [...publicAlgorithms, ...secretAlgorithms]) {
    it(`${alg} is accepted, and nothing else by the same key`, async () => {
      const good = await sign(alg);
      const response = await ask(good);
      assert.equal(response.status, 201, await response.clone().text());
      const claims = await verifier.verify((await response.json()).participant_token);
      assert.equal(claims.sub, `${publicAlgorithms.includes(alg) ? 'public' : alg}-alice`);
      assert.equal(claims.video.room, 'lobby');
      assert.deepEqual(claims.attributes, { plan: 'pro' });

      const [header, payload, signature] = good.split('.');
      const altered = (change) =>
        Buffer.from(JSON.stringify({ ...jose.decodeJwt(good), ...change })).toString('base64url');
      await refused(`${header}.${altered({ sub: 'admin' })}.${signature}`, 'another subject');
      await refused(`${header}.${altered({ plan: 'gold' })}.${signature}`, 'another claim');
      await refused(`${header}.${payload}.`, 'no signature');
      await refused(`${header}.${payload}.${(await sign(alg, (jwt) => jwt.setSubject('bob'))).split('.')[2]}`);
      for (const at of [0, Math.floor(signature.length / 2)]) {
        const other = signature[at] === 'A' ? 'B' : 'A';
        await refused(`${header}.${payload}.${signature.slice(0, at)}${other}${signature.slice(at + 1)}`, `at ${at}`);
      }
      for (const other of [...publicAlgorithms, ...secretAlgorithms, 'ES256K', 'none', 'NONE', alg.toLowerCase()]) {
        if (other === alg) continue;
        const swapped = Buffer.from(JSON.stringify({ ...jose.decodeProtectedHeader(good), alg: other }));
        await refused(`${swapped.toString('base64url')}.${payload}.${signature}`, `${alg} as ${other}`);
      }
    });

    it(`${alg}, not for us or not now, is refused`, async () => {
      const alterations = {
        'another audience': (jwt) => jwt.setAudience('others'),
        'another issuer': (jwt) => jwt.setIssuer('https://evil.example/'),
        expired: (jwt) => jwt.setExpirationTime('2 minutes ago'),
        'not yet valid': (jwt) => jwt.setNotBefore('2 minutes from now'),
        'without a subject': (jwt) => jwt.setSubject(''),
      };
      for (const [message, change] of Object.entries(alterations)) await refused(await sign(alg, change), message);
      await refused(await sign(alg, undefined, { typ: 'logout+jwt' }), 'another type');
      await refused(await sign(alg, undefined, { crit: ['b64'], b64: true }), 'an extension');
    });
  }

  it('an algorithm that fits the key is refused where the key names another', async () => {
    // jose itself holds a CryptoKey to one algorithm, so the key goes through PKCS #8.
    for (const [mine, other] of [
      ['RS256', 'PS256'],
      ['PS256', 'RS256'],
      ['RS256', 'RS512'],
    ]) {
      const key = await jose.importPKCS8(await jose.exportPKCS8(signers[mine].key), other);
      const token = await new jose.SignJWT({ plan: 'pro', iss: issuer, aud: 'calls', sub: 'alice' })
        .setProtectedHeader({ alg: other, kid: `key-${mine}` })
        .setExpirationTime('5m')
        .sign(key);
      await refused(token, `${mine} key with ${other}`);
    }
  });

  it('a public key is not a secret', async () => {
    for (const alg of publicAlgorithms) {
      const { publicKey, kid } = signers[alg];
      const jwk = jwks.keys.find((key) => key.kid === kid);
      for (const secret of [await jose.exportSPKI(publicKey), JSON.stringify(jwk), jwk.n ?? jwk.x]) {
        const token = await new jose.SignJWT({ plan: 'pro', iss: issuer, aud: 'calls', sub: 'alice' })
          .setProtectedHeader({ alg: 'HS256', kid })
          .setExpirationTime('5m')
          .sign(new TextEncoder().encode(secret));
        await refused(token, alg);
      }
    }
  });

  it('keys that a token brings or names itself do not count', async () => {
    const { publicKey, privateKey } = await jose.generateKeyPair('ES256');
    const jwk = await jose.exportJWK(publicKey);
    for (const header of [
      {},
      { kid: 'key-ES256' },
      { kid: 'key-ES256', jwk },
      { jwk },
      { kid: 'mine', jku: 'https://evil.example/jwks.json' },
      { kid: '../../../../dev/null' },
    ]) {
      const token = await new jose.SignJWT({ plan: 'pro', iss: issuer, aud: 'calls', sub: 'alice' })
        .setProtectedHeader({ alg: 'ES256', ...header })
        .setExpirationTime('5m')
        .sign(privateKey);
      await refused(token, JSON.stringify(header));
    }
  });

  it('an issuer does not speak for another', async () => {
    for (const alg of secretAlgorithms) await refused(await sign(alg, (jwt) => jwt.setIssuer(issuer)), alg);
    const other = await sign('HS256', (jwt) => jwt.setIssuer(secretIssuer('HS512')));
    await refused(other, 'HS256 for the issuer with HS512');
    await refused(await sign('ES256', (jwt) => jwt.setIssuer(secretIssuer('HS256'))), 'ES256 for an issuer of HS256');
  });

  it('unsecured tokens are refused', async () => {
    for (const iss of [issuer, ...secretAlgorithms.map(secretIssuer)]) {
      const token = new jose.UnsecuredJWT({ plan: 'pro', iss, aud: 'calls', sub: 'alice' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .encode();
      await refused(token, iss);
    }
  });

  it('encrypted tokens are refused', async () => {
    const encrypt = (header, key) =>
      new jose.EncryptJWT({ plan: 'pro', iss: issuer, aud: 'calls', sub: 'alice' })
        .setProtectedHeader(header)
        .setExpirationTime('5m')
        .encrypt(key);
    const rsa = await jose.importSPKI(await jose.exportSPKI(signers.RS256.publicKey), 'RSA-OAEP-256');
    await refused(await encrypt({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'key-RS256' }, rsa), 'RSA-OAEP');
    await refused(await encrypt({ alg: 'dir', enc: 'A256GCM' }, signers.HS256.key), 'the secret of HS256');
  });

  it('the JSON serialization is refused', async () => {
    const { key, kid } = signers.ES256;
    const payload = new TextEncoder().encode(JSON.stringify(jose.decodeJwt(await sign('ES256'))));
    const flattened = await new jose.FlattenedSign(payload).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
    await refused(JSON.stringify(flattened), 'flattened');
    await refused(Buffer.from(JSON.stringify(flattened)).toString('base64url'), 'in base64url');
  });

  it('no token is printed', async () => {
    const token = await sign('RS256');
    await ask(token);
    await refused(`${token}x`, 'longer');
    await running.stop(); // whose output is complete only then
    for (const secret of [token.split('.')[1], token.split('.')[2], signers.HS256.secret]) {
      assert.ok(!running.output.includes(secret));
    }
  });
});
