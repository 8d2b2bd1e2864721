// SPDX-License-Identifier: LGPL-2.1-or-later
// npm's ssh2 (VS Code extensions, many web terminals): see common.bash for the variables and for what a client prints.
'use strict';
const { Client, utils } = require('ssh2');
const fs = require('fs'), net = require('net'), crypto = require('crypto'), assert = require('assert');
const E = process.env, INFO = E.INFO, TMP = E.TMP;
const MB = +E.MB, FEW = +E.FEW, ECHO_IN = +E.ECHO_IN, ECHO_OUT = +E.ECHO_OUT;
const hostKey = Buffer.from(fs.readFileSync(E.HOSTKEY, 'utf8').split(' ')[1], 'base64');

function connect(options) {
	return new Promise((done, fail) => {
		const c = new Client();
		c.on('ready', () => done(c)).on('error', fail);
		c.connect(Object.assign({ host: E.HOST, port: +E.PORT, username: E.LOGIN, privateKey: fs.readFileSync(E.KEYS + '/ed25519'),
			strictVendor: false, hostVerifier: key => key.equals(hostKey) }, options));
	});
}
const call = (object, name, ...args) => new Promise((done, fail) => object[name](...args, (err, result) => err ? fail(err) : done(result)));
function drain(stream) { // what a session channel gives until its close
	return new Promise(done => {
		const r = { out: [], err: [], code: undefined, signal: undefined };
		stream.on('data', d => r.out.push(d));
		if (stream.stderr) stream.stderr.on('data', d => r.err.push(d));
		stream.on('exit', (code, signal) => { r.code = code; r.signal = signal; });
		stream.on('close', () => done({ out: Buffer.concat(r.out).toString(), err: Buffer.concat(r.err).toString(), code: r.code, signal: r.signal }));
	});
}
function run(c, command, options, input) { // listeners first: a quick command's status comes with the answer to exec
	return new Promise((done, fail) => c.exec(command, options || {}, (err, stream) => {
		if (err) return fail(err);
		drain(stream).then(done);
		if (input !== undefined) stream.end(input);
	}));
}
function echo(stream, size) {
	return new Promise((done, fail) => {
		const data = crypto.randomBytes(1 << 20), want = crypto.createHash('sha256'), got = crypto.createHash('sha256');
		let left = size >> 20;
		const write = () => {
			while (left > 0) {
				left--;
				want.update(data);
				if (!stream.write(data)) return stream.once('drain', write);
			}
			stream.end();
		};
		stream.on('data', d => got.update(d));
		stream.on('end', () => { try { assert.strictEqual(got.digest('hex'), want.digest('hex')); done(); } catch (x) { fail(x); } });
		stream.on('error', fail);
		write();
	});
}
const refusal = async (promise, what) => { let ok = false; try { await promise; } catch (x) { ok = true; } assert(ok, what); };
// Wait until a stream has said something.
const said = (stream, text) => new Promise((done, fail) => {
	let all = '';
	stream.on('data', b => { all += b; if (all.includes(text)) done(); });
	stream.on('close', () => fail(new Error('said ' + all)));
});
const sleep = ms => new Promise(done => setTimeout(done, ms));
const PTY = { term: 'vt220', cols: 91, rows: 33 };

const features = {};
for (const k of ['ed25519', 'rsa', 'ecdsa'])
	features['key ' + k] = async () => {
		const c = await connect({ privateKey: fs.readFileSync(E.KEYS + '/' + k) });
		assert.strictEqual((await run(c, 'id -un')).out, E.LOGIN + '\n');
		c.end();
	};
Object.assign(features, {
	'password': async () => {
		const c = await connect({ privateKey: undefined, password: E.PASSWORD });
		assert.strictEqual((await run(c, 'id -un')).out, E.LOGIN + '\n');
		c.end();
	},
	'jump through the gate': async c => {
		const inner = await connect({ sock: await call(c, 'forwardOut', '127.0.0.1', 1, E.INNER, 22) });
		assert.strictEqual((await run(inner, 'id -un')).out, E.LOGIN + '\n');
		inner.end();
	},
	'exec': async c => assert.strictEqual((await run(c, 'echo $((1+2))')).out, '3\n'),
	'shell': async c => {
		const stream = await call(c, 'shell', false), result = drain(stream);
		stream.end('echo $((6*7)); exit 9\n');
		const r = await result;
		assert.deepStrictEqual([r.out, r.code], ['42\n', 9]);
	},
	"no output of the gate's own": async c => assert.deepStrictEqual(await run(c, 'true'), { out: '', err: '', code: 0, signal: undefined }),
	'stderr apart': async c => { const r = await run(c, 'echo out; echo err >&2'); assert.deepStrictEqual([r.out, r.err], ['out\n', 'err\n']); },
	'exit codes': async c => { for (const i of E.CODES.split(/\s+/).map(Number)) assert.deepStrictEqual(await run(c, 'exit ' + i), { out: '', err: '', code: i, signal: undefined }); },
	'exit signal': async c => { for (const s of ['TERM', 'KILL', 'HUP']) assert.strictEqual((await run(c, `kill -${s} $$`)).signal, 'SIG' + s); },
	'half close': async c => assert.deepStrictEqual((await run(c, 'wc -c; sleep 0.2; echo late', {}, 'abcd\n')).out.split(/\s+/).slice(0, 2), ['5', 'late']),
	'bulk both ways': async c => echo(await call(c, 'exec', 'cat'), MB << 20),
	'pty': async c => assert.match((await run(c, 'tty; stty size; echo $TERM', { pty: PTY })).out, /^\/dev\/pts\/\d+\r\n33 91\r\nvt220\r\n/),
	'window change': async c => {
		const stream = await call(c, 'exec', "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done", { pty: PTY }), result = drain(stream);
		await said(stream, 'ready');
		stream.setWindow(50, 132, 0, 0);
		assert.match((await result).out, /50 132/);
	},
	'env': async c => assert.strictEqual((await run(c, 'echo $LC_PAPER', { env: { LC_PAPER: 'x y' } })).out, 'x y\n'),
	'signals': async c => {
		const stream = await call(c, 'exec', "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done"), result = drain(stream);
		await said(stream, 'ready');
		stream.signal('USR1');
		const r = await result;
		assert.deepStrictEqual([r.out, r.code], ['ready\ngot\n', 5]);
	},
	'unknown subsystem refused': async c => refusal(call(c, 'subsys', 'nonsense'), 'accepted'),
	'many channels': async c => {
		const all = await Promise.all([...Array(9).keys()].map(i => run(c, `echo ${i}; sleep 0.3`)));
		assert.deepStrictEqual(all.map(r => r.out), [...Array(9).keys()].map(i => i + '\n'));
	},
	'keepalive': async () => {
		const c = await connect({ keepaliveInterval: 500, keepaliveCountMax: 5 });
		assert.strictEqual((await run(c, 'sleep 4; echo done')).out, 'done\n');
		c.end();
	},
	'sftp': async c => {
		const s = await call(c, 'sftp');
		await call(s, 'fastPut', E.DATA, INFO + '/s');
		await call(s, 'fastGet', INFO + '/s', TMP + '/back');
		assert.strictEqual(crypto.createHash('sha256').update(fs.readFileSync(TMP + '/back')).digest('hex'), E.SUM);
		await call(s, 'mkdir', INFO + '/d');
		await call(s, 'rename', INFO + '/s', INFO + '/d/s');
		assert.strictEqual((await call(s, 'stat', INFO + '/d/s')).size, MB << 20);
		await call(s, 'symlink', 's', INFO + '/d/l');
		assert.strictEqual(await call(s, 'readlink', INFO + '/d/l'), 's');
		await call(s, 'unlink', INFO + '/d/l');
		await call(s, 'unlink', INFO + '/d/s');
		await call(s, 'rmdir', INFO + '/d');
		s.end();
	},
	'stdio forward': async c => echo(await call(c, 'forwardOut', '127.0.0.1', 1, '127.0.0.1', ECHO_IN), FEW),
	'refused forward is told': async c => refusal(call(c, 'forwardOut', '127.0.0.1', 1, '127.0.0.1', 1), 'opened'),
	'remote forward, port 0': async c => {
		c.once('tcp connection', (info, accept) => { const inside = accept(), outside = net.connect(ECHO_OUT, '127.0.0.1'); inside.pipe(outside); outside.pipe(inside); });
		const port = await call(c, 'forwardIn', '127.0.0.1', 0);
		await echo(await call(c, 'exec', 'perl net.pl talk ' + port), FEW);
		await call(c, 'unforwardIn', '127.0.0.1', port);
		assert.notStrictEqual((await run(c, `perl net.pl talk ${port} </dev/null`)).code, 0);
	},
	'local forward to a unix socket': async c => echo(await call(c, 'openssh_forwardOutStreamLocal', E.ECHO_SOCK), FEW),
	'remote forward of a unix socket': async c => {
		const path = INFO + '/n.sock';
		c.once('unix connection', (info, accept) => { const inside = accept(), outside = net.connect(ECHO_OUT, '127.0.0.1'); inside.pipe(outside); outside.pipe(inside); });
		await call(c, 'openssh_forwardInStreamLocal', path);
		await echo(await call(c, 'exec', 'perl net.pl talk ' + path), FEW);
		await call(c, 'openssh_unforwardInStreamLocal', path);
	},
	'agent forwarding': async () => {
		const { spawn, execFileSync } = require('child_process'), sock = TMP + '/agent';
		const agent = spawn('ssh-agent', ['-D', '-a', sock], { stdio: 'ignore' });
		try {
			while (!fs.existsSync(sock)) await sleep(50);
			await sleep(200);
			execFileSync('ssh-add', ['-q', E.KEYS + '/rsa'], { env: Object.assign({}, E, { SSH_AUTH_SOCK: sock }) });
			const c = await connect({ agent: sock, agentForward: true });
			assert.match((await run(c, 'ssh-add -l')).out, /RSA/);
			c.end();
		} finally { agent.kill(); }
	},
});

(async () => {
	const c = await connect();
	for (const name in features) {
		let timer;
		const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error('no end in time')), E.LIMIT * 1000); });
		try {
			await Promise.race([features[name](c), late]);
			console.log('ok ' + name);
		} catch (x) {
			console.log(`not ok ${name}: ${String(x.message).replace(/\s+/g, ' ').slice(0, 300)}`);
		}
		clearTimeout(timer);
	}
	c.end();
})().catch(x => { console.error(x); process.exit(1); });
