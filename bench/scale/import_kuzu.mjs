// Imports the same CSV files with quiver-import and with Kuzu's COPY, alternating, and prints the medians.
//
//   node bench/scale/import_kuzu.mjs [--bin build/release/bin] [--nodes 500000] [--relationships 3000000] [--repeat 5]
//
// Installs the npm package kuzu below build/ when it is not there. The files: nodes with an integer id, a
// string, an integer and a float; relationships with one integer, ends at random. The time of quiver-import
// is the whole process; that of Kuzu only its two COPY statements, without starting or creating tables. The
// first start of quiverd on the imported directory (it replays the log) is measured too.
import {execFileSync, spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const options = {bin: path.join(root, 'build/release/bin'), nodes: 500000, relationships: 3000000, repeat: 5};
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].slice(2);
  if (!(name in options)) throw new Error(`unknown option ${process.argv[i]}`);
  options[name] = name === 'bin' ? path.resolve(process.argv[i + 1]) : Number(process.argv[i + 1]);
}

const modules = path.join(root, 'build/node');
if (!fs.existsSync(path.join(modules, 'node_modules/kuzu'))) {
  fs.mkdirSync(modules, {recursive: true});
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', modules, 'kuzu'], {stdio: ['ignore', 'ignore', 'inherit']});
}
const kuzu = (await import(pathToFileURL(path.join(modules, 'node_modules/kuzu/index.mjs')).href)).default;

const scratch = fs.mkdtempSync(path.join(root, 'build/import-'));
const nodeFile = path.join(scratch, 'nodes.csv'), relFile = path.join(scratch, 'relationships.csv');

// A small generator with a fixed seed (mulberry32), so that every run has the same files.
let state = 1;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function write(file, header, count, line) {
  const out = fs.openSync(file, 'w');
  let chunk = header + '\n';
  for (let i = 0; i < count; i++) {
    chunk += line(i);
    if (chunk.length > 1 << 20) {
      fs.writeSync(out, chunk);
      chunk = '';
    }
  }
  fs.writeSync(out, chunk);
  fs.closeSync(out);
}
write(nodeFile, 'id:ID,name,age:int,score:float', options.nodes, (i) => `${i},name-${i},${i % 90},${i * 0.5}\n`);
write(relFile, ':START_ID,:END_ID,since:int', options.relationships,
  (i) => `${Math.floor(random() * options.nodes)},${Math.floor(random() * options.nodes)},${2000 + (i % 25)}\n`);

function quiverImport() {
  const data = path.join(scratch, 'quiver');
  fs.rmSync(data, {recursive: true, force: true});
  const begin = performance.now();
  execFileSync(path.join(options.bin, 'quiver-import'),
    ['--data', data, '--quiet', '--nodes', `N=${nodeFile}`, '--relationships', `R=${relFile}`], {stdio: 'ignore'});
  return (performance.now() - begin) / 1000;
}

async function quiverStart() {
  const begin = performance.now();
  const daemon = spawn(path.join(options.bin, 'quiverd'), ['--data', path.join(scratch, 'quiver'), '--listen', '127.0.0.1:0'],
    {stdio: ['ignore', 'pipe', 'ignore']});
  await new Promise((resolve, reject) => {
    daemon.stdout.once('data', resolve);
    daemon.once('exit', () => reject(new Error('quiverd did not start')));
  });
  const seconds = (performance.now() - begin) / 1000;
  daemon.kill('SIGTERM');
  await new Promise((resolve) => daemon.once('close', resolve));
  return seconds;
}

async function kuzuCopy() {
  const data = path.join(scratch, 'kuzu');
  fs.rmSync(data, {recursive: true, force: true});
  fs.rmSync(data + '.wal', {recursive: true, force: true});
  const database = new kuzu.Database(data), connection = new kuzu.Connection(database);
  await connection.query('CREATE NODE TABLE N(id INT64, name STRING, age INT64, score DOUBLE, PRIMARY KEY(id))');
  await connection.query('CREATE REL TABLE R(FROM N TO N, since INT64)');
  const begin = performance.now();
  await connection.query(`COPY N FROM '${nodeFile}' (HEADER=true)`);
  await connection.query(`COPY R FROM '${relFile}' (HEADER=true)`);
  const seconds = (performance.now() - begin) / 1000;
  await connection.close();
  await database.close();
  return seconds;
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const figures = {quiver: [], kuzu: [], start: []};
try {
  for (let i = 0; i < options.repeat; i++) {
    figures.quiver.push(quiverImport());
    figures.start.push(await quiverStart());
    figures.kuzu.push(await kuzuCopy());
  }
} finally {
  fs.rmSync(scratch, {recursive: true, force: true});
}
const rows = options.nodes + options.relationships;
console.log(`${options.nodes} nodes, ${options.relationships} relationships, medians of ${options.repeat}`);
console.log(`quiver-import     ${median(figures.quiver).toFixed(2)} s  ${(rows / median(figures.quiver) / 1e6).toFixed(2)} M rows/s`);
console.log(`Kuzu COPY         ${median(figures.kuzu).toFixed(2)} s  ${(rows / median(figures.kuzu) / 1e6).toFixed(2)} M rows/s`);
console.log(`ratio             ${(median(figures.kuzu) / median(figures.quiver)).toFixed(2)}`);
console.log(`first start       ${median(figures.start).toFixed(2)} s`);
