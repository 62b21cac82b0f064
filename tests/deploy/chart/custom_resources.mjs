// Problems of the custom resources on standard input (a JSON list), as a JSON list on standard output. Argument: the
// node_modules with the packages of @kubernetes-models, whose validators were compiled from the resources' schemas.
import { readFileSync } from 'node:fs';

const models = `${process.argv[2]}/@kubernetes-models`;
const packages = {
  'cert-manager.io': 'cert-manager',
  'monitoring.coreos.com': 'prometheus-operator',
  'gateway.networking.k8s.io': 'gateway-api',
};

// The validators ignore fields that they do not know. A field that they have looked at is one that they know; where
// they go through all of them (labels), any name will do.
function watch(value, path, unseen) {
  if (value === null || typeof value !== 'object') return value;
  if (!Array.isArray(value)) for (const key of Object.keys(value)) unseen.add(`${path}.${key}`);
  const children = new Map();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'symbol') return target[key];
      unseen.delete(`${path}.${key}`);
      if (!children.has(key)) children.set(key, watch(target[key], `${path}.${key}`, unseen));
      return children.get(key);
    },
    ownKeys(target) {
      for (const key of Object.keys(target)) unseen.delete(`${path}.${key}`);
      return Reflect.ownKeys(target);
    },
  });
}

const problems = [];
for (const resource of JSON.parse(readFileSync(0, 'utf8'))) {
  const { apiVersion, kind, metadata } = resource;
  const [group, version] = apiVersion.split('/');
  const module = await import(`${models}/${packages[group]}/${group}/${version}/${kind}.js`);
  const unseen = new Set();
  const watched = watch(resource, '', unseen);
  try {
    module[kind].prototype.validate.call(watched);
  } catch (error) {
    problems.push(`${kind} ${metadata?.name}: ${error.message}`);
    continue;
  }
  for (const path of unseen) problems.push(`${kind} ${metadata?.name}: unknown field ${path.slice(1)}`);
}
process.stdout.write(JSON.stringify(problems));
