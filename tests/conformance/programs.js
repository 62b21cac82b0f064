// Starts our programs and stops them, and knows what they print.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const top = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');

// The key that every program of these tests signs with.
export const apiKey = 'APIconformance';
export const apiSecret = 'conformance-secret-of-more-than-32-bytes';

// Nothing of the machine's settings may reach the programs: neither other keys nor a proxy.
function environment(extra) {
  const kept = Object.entries(process.env).filter(([name]) => !/^LIVEKIT_|_proxy$/i.test(name));
  return { ...Object.fromEntries(kept), LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret, ...extra };
}

// A folder for configurations, and for unix sockets, whose paths must be short.
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'lk-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// Ends a program that neither listens nor stops, so that a test fails instead of waiting for ever.
const patience = 30_000;

// No program may log a secret or a token.
function lookForLeaks(output) {
  const log = path.join(temporaryFolder(), 'log');
  writeFileSync(log, output);
  const found = spawnSync(path.join(top, 'tests/leaks/find.py'), [log], { encoding: 'utf8' });
  assert.equal(found.status, 0, found.stdout + found.stderr);
}

// Starts `program` with its listeners on free ports and waits until all of `listeners` listen. The result has the
// address of each, by name, everything printed, and stop().
export async function start(program, listeners, flags, env = {}) {
  const child = spawn(path.join(top, process.env.BUILD_DIR ?? 'build', 'bin', program), flags, {
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = { addresses: {}, output: '', child };
  let overdue = setTimeout(() => child.kill('SIGKILL'), patience);
  const exited = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(overdue);
      resolve({ code, signal });
    });
  });
  const listening = new Promise((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      running.output += `${line}\n`;
      let entry;
      try {
        entry = JSON.parse(line);
      } catch {
        return; // the banner
      }
      if (entry.event === 'listening') running.addresses[entry.name] = entry.address;
      if (listeners.every((name) => running.addresses[name])) resolve();
    });
  });
  child.stdout.on('data', (data) => (running.output += data));

  running.stop = async () => {
    overdue = setTimeout(() => child.kill('SIGKILL'), patience);
    child.kill('SIGINT');
    const { code, signal } = await exited;
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${program} must stop cleanly\n${running.output}`);
    lookForLeaks(running.output);
  };
  await Promise.race([
    listening,
    exited.then(({ code, signal }) => {
      throw new Error(`${program} ended with ${code ?? signal} before it listened\n${running.output}`);
    }),
  ]);
  clearTimeout(overdue);
  return running;
}

// Starts the standalone with the configuration `yaml`. Each name in `files` stands in it for a file with that text.
export async function startWith(yaml, files = {}, env = {}) {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    yaml = yaml.replaceAll(name, file);
  }
  const file = path.join(folder, 'token.yaml');
  writeFileSync(file, yaml);
  return start(
    'livekit-token-standalone',
    ['http', 'grpc', 'admin'],
    [`--config=${file}`, '--http_listen=127.0.0.1:0', '--grpc_listen=127.0.0.1:0', '--admin_listen=127.0.0.1:0'],
    env,
  );
}

// The three ways to serve the endpoint. Each starts what it needs and gives the URL of the endpoint, the address of the
// gRPC service and stop().
export const deployments = {
  standalone: async (env) => {
    const program = await start(
      'livekit-token-standalone',
      ['http', 'grpc', 'admin'],
      ['--dev', '--http_listen=127.0.0.1:0', '--grpc_listen=127.0.0.1:0', '--admin_listen=127.0.0.1:0'],
      env,
    );
    return deployment([program], program.addresses.http, program.addresses.grpc);
  },
  'gateway and server over TCP': (env) => twoProcesses('127.0.0.1:0', env),
  'gateway and server over a unix socket': (env) =>
    twoProcesses(`unix:${path.join(temporaryFolder(), 'token.sock')}`, env),
};

async function twoProcesses(grpcListen, env) {
  const server = await start(
    'livekit-token-server',
    ['grpc', 'admin'],
    ['--dev', `--grpc_listen=${grpcListen}`, '--admin_listen=127.0.0.1:0'],
    env,
  );
  const grpc = grpcListen.startsWith('unix:') ? grpcListen : server.addresses.grpc;
  try {
    const gateway = await start(
      'livekit-token-gateway',
      ['http', 'admin'],
      ['--dev', `--server_address=${grpc}`, '--http_listen=127.0.0.1:0', '--admin_listen=127.0.0.1:0'],
      { LIVEKIT_API_KEY: '', LIVEKIT_API_SECRET: '' },
    );
    return deployment([gateway, server], gateway.addresses.http, grpc);
  } catch (error) {
    server.child.kill('SIGKILL');
    throw error;
  }
}

function deployment(programs, http, grpc) {
  return {
    url: `http://${http}/getToken`,
    grpc,
    output: () => programs.map((program) => program.output).join(''),
    stop: async () => {
      for (const program of programs) await program.stop();
    },
  };
}
