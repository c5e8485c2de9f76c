// The real redis-sessions on a Redis of the test's.
//
//   fill   makes sessions of every kind, uses and kills some, and prints app and token of each
//   ask    prints what a get of each of them answers, and the seconds before and after
'use strict';
const fs = require('fs');

const [act, folder, socket, tokens, count] = process.argv.slice(2);
const modules = folder + '/node_modules/';
const Sessions = require(modules + 'redis-sessions');
const client = require(modules + 'redis').createClient(socket);
const sessions = new Sessions({ client, wipe: 0 });

// Operations under way at one time.
const ABREAST = 64;

function call(name, options) {
    return new Promise((resolve, reject) =>
        sessions[name](options, (error, answer) => (error ? reject(error) : resolve(answer))));
}

async function forEach(items, each) {
    let next = 0;
    const worker = async () => {
        while (next < items.length) await each(items[next++]);
    };
    await Promise.all(Array.from({ length: ABREAST }, worker));
}

const DATA = [
    undefined,
    { name: 'Peter Smith', unread_msgs: 12, lang: 'en', v: '1.0' },
    { n: 1.5e21, small: 1e-7, minus: -0.5, big: 9007199254740993, yes: true, no: false },
    { 10: 'ten', 2: 'two', z: 'J\u00f6rg \u2028 \ud83d\ude00 "\\ /', lone: '\ud83d', gone: null },
];
const USERS = [(n) => 'user' + (n % 977), (n) => 'a:b:' + n, (n) => 'J\u00f6rg ' + n, (n) => String(n)];

async function make(n) {
    const app = ['shop', 'forum', 'a-b_C'][n % 3];
    const { token } = await call('create', {
        app,
        id: USERS[n % USERS.length](n),
        ip: n % 5 ? '10.0.' + (n % 256) + '.1' : '2001:db8::' + (n % 9999).toString(16),
        ttl: [7200, 3600, 86400, 100000000000][n % 4],
        d: DATA[(n >> 2) % DATA.length],
        no_resave: n % 11 === 0,
    });
    for (let reads = n % 4; reads > 0; reads--) await call('get', { app, token });
    if (n % 6 === 0) await call('set', { app, token, d: { set: n, name: null, lang: 'de' } });
    if (n % 50 === 0) await call('kill', { app, token });
    process.stdout.write(JSON.stringify({ app, token }) + '\n');
}

// Some were last used long ago: as if the time had passed.
function age(line, n) {
    const { app, token } = JSON.parse(line);
    if (n % 3 !== 0) return undefined;
    const key = 'rs:' + app + ':' + token;
    const script = "if redis.call('HEXISTS', KEYS[1], 'id') == 1 then " +
        "redis.call('HINCRBY', KEYS[1], 'la', ARGV[1]) end return 1";
    return new Promise((resolve, reject) =>
        client.eval(script, 1, key, -(n % 3000), (error) => (error ? reject(error) : resolve())));
}

async function ask(line) {
    const { app, token } = JSON.parse(line);
    const since = Math.floor(Date.now() / 1000);
    const answer = await call('get', { app, token });
    const until = Math.floor(Date.now() / 1000);
    const text = JSON.stringify(answer);
    process.stdout.write(JSON.stringify({ app, token, answer: text, since, until }) + '\n');
}

async function main() {
    if (act === 'fill') {
        await forEach(Array.from({ length: Number(count) }, (_, n) => n), make);
        const lines = fs.readFileSync(tokens, 'utf8').trim().split('\n');
        await forEach(lines.map((line, n) => [line, n]), ([line, n]) => age(line, n));
    } else {
        await forEach(fs.readFileSync(tokens, 'utf8').trim().split('\n'), ask);
    }
}

main().then(() => sessions.quit(), (error) => {
    console.error(error);
    process.exit(1);
});
