// The official JavaScript driver against quiverd. QUIVER_ADDRESS is host:port, QUIVER_AUTH none or basic.
'use strict'
const neo4j = require('neo4j-driver')
const assert = require('node:assert/strict')

const address = process.env.QUIVER_ADDRESS
const withPassword = process.env.QUIVER_AUTH === 'basic'
const auth = withPassword ? neo4j.auth.basic('neo4j', 'a long secret') : undefined
const int = neo4j.int
const tests = []
const test = (name, run) => tests.push({ name, run })

const driverOf = (scheme, options) =>
  neo4j.driver(`${scheme}://${address}`, auth, { maxTransactionRetryTime: 15000, ...options })
let driver

const withSession = async (options, work) => {
  const session = driver.session(options)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}
const rows = async (query, parameters, options) =>
  (await withSession(options, session => session.run(query, parameters))).records
const value = async (query, parameters) => (await rows(query, parameters))[0].get(0)

const slow = 'UNWIND range(1, 1000000) AS a UNWIND range(1, 1000) AS b WITH a + b AS c WHERE c < 0 RETURN count(c)'

for (const scheme of ['bolt', 'neo4j']) {
  test(`connects with ${scheme}://`, async () => {
    const one = driverOf(scheme)
    try {
      const info = await one.getServerInfo()
      assert.match(info.agent, /^Neo4j\/5\.\d+\.\d+$/)
      const { records } = await one.executeQuery('RETURN 1 AS x')
      assert.equal(records[0].get('x').toNumber(), 1)
      await one.verifyAuthentication({ auth }).catch(e => { throw e })
    } finally {
      await one.close()
    }
  })
}

test('negotiates the newest protocol version by manifest', async () => {
  assert.equal((await driver.getServerInfo()).protocolVersion.toString().slice(0, 3), '5.8')
})

if (withPassword) {
  test('refuses a wrong password', async () => {
    const one = neo4j.driver(`bolt://${address}`, neo4j.auth.basic('neo4j', 'wrong'))
    await assert.rejects(one.getServerInfo(), { code: 'Neo.ClientError.Security.Unauthorized' })
    await one.close()
  })
}

test('autocommit gives rows and a summary', async () => {
  const result = await withSession({}, s => s.run('UNWIND [3, 1, 2] AS x RETURN x, x * 2 AS y ORDER BY x'))
  assert.deepEqual(result.records.map(r => [r.get('x').toNumber(), r.get('y').toNumber()]), [[1, 2], [2, 4], [3, 6]])
  assert.equal(result.summary.queryType, 'r')
  assert.equal(result.summary.database.name, 'neo4j')
  assert.equal(typeof result.summary.resultAvailableAfter.toNumber(), 'number')
})

test('counters of a write', async () => {
  const { summary } = await withSession({}, s =>
    s.run("CREATE (a:Counted {n: 1})-[:KNOWS]->(b:Counted {n: 2}) RETURN a"))
  const counters = summary.counters.updates()
  assert.equal(counters.nodesCreated, 2)
  assert.equal(counters.relationshipsCreated, 1)
  assert.equal(counters.propertiesSet, 2)
  assert.equal(counters.labelsAdded, 2)
  assert.equal(summary.counters.containsUpdates(), true)
})

test('managed transactions commit, and roll back on an exception', async () => {
  await withSession({}, async session => {
    await session.executeWrite(async tx => {
      await tx.run('CREATE (:Managed {n: 1})')
      await tx.run('CREATE (:Managed {n: 2})')
    })
    await assert.rejects(session.executeWrite(async tx => {
      await tx.run('CREATE (:Managed {n: 3})')
      throw new Error('changed my mind')
    }), /changed my mind/)
    const found = await session.executeRead(tx => tx.run('MATCH (m:Managed) RETURN m.n AS n ORDER BY n'))
    assert.deepEqual(found.records.map(r => r.get('n').toNumber()), [1, 2])
  })
})

test('explicit transactions with interleaved results', async () => {
  await withSession({ fetchSize: 10 }, async session => {
    const tx = await session.beginTransaction()
    const one = tx.run('UNWIND range(1, 50) AS x RETURN x')[Symbol.asyncIterator]()
    const two = tx.run('UNWIND range(101, 150) AS x RETURN x')[Symbol.asyncIterator]()
    let sum = 0
    for (let i = 0; i < 50; i++) {
      sum += (await one.next()).value.get('x').toNumber()
      sum += (await two.next()).value.get('x').toNumber()
    }
    assert.equal(sum, 1275 + 6275)
    await tx.commit()
  })
})

test('rollback leaves nothing', async () => {
  await withSession({}, async session => {
    const tx = await session.beginTransaction()
    await tx.run('CREATE (:Gone)')
    await tx.rollback()
    assert.equal((await session.run('MATCH (g:Gone) RETURN count(g) AS c')).records[0].get('c').toNumber(), 0)
  })
})

const plain = {
  null: null,
  true: true,
  'integer 0': int(0),
  'integer -17': int(-17),
  'integer 128': int(128),
  'integer min': int('-9223372036854775808'),
  'integer max': int('9223372036854775807'),
  'float': 1.5,
  'float tiny': 5e-324,
  'infinity': Infinity,
  'empty string': '',
  'unicode': 'grüße 𝄞 \u0000 end',
  'string of 15': 'x'.repeat(15),
  'string of 16': 'x'.repeat(16),
  'string of 255': 'x'.repeat(255),
  'string of 256': 'x'.repeat(256),
  'string of 65535': 'x'.repeat(65535),
  'string of 65536': 'x'.repeat(65536),
  'list': [int(1), 'a', null, [true]],
  'list of 300': Array.from({ length: 300 }, (_, i) => int(i)),
  'map': { a: int(1), b: { c: [int(2)] } },
  'date': new neo4j.types.Date(int(2022), int(1), int(8)),
  'date before 1970': new neo4j.types.Date(int(1907), int(12), int(31)),
  'time': new neo4j.types.Time(int(12), int(50), int(35), int(556000000), int(3600)),
  'local time': new neo4j.types.LocalTime(int(12), int(50), int(35), int(7)),
  'local date-time': new neo4j.types.LocalDateTime(int(2015), int(7), int(21), int(21), int(40), int(32), int(1)),
  'date-time with offset': new neo4j.types.DateTime(int(2015), int(6), int(24), int(12), int(50), int(35), int(5), int(-3600)),
  'duration': new neo4j.types.Duration(int(14), int(-3), int(10), int(5)),
  'point 2d': new neo4j.types.Point(int(7203), 1.5, -2),
  'point wgs-84': new neo4j.types.Point(int(4326), 12.99, 55.6),
  'point 3d': new neo4j.types.Point(int(9157), 1, 2, 3)
}
for (const [name, sent] of Object.entries(plain)) {
  test(`value there and back: ${name}`, async () => {
    assert.deepEqual(await value('RETURN $p', { p: sent }), sent)
  })
}

test('value there and back: NaN', async () => {
  assert.equal(Number.isNaN(await value('RETURN $p', { p: NaN })), true)
})

test('value there and back: bytes', async () => {
  const back = await value('RETURN $p', { p: new Int8Array([0, 1, -1, 127]) })
  assert.deepEqual([...new Int8Array(back)], [0, 1, -1, 127])
})

test('value there and back: date-time with named zone', async () => {
  const sent = new neo4j.types.DateTime(int(2015), int(6), int(24), int(12), int(50), int(35), int(5), undefined, 'Europe/Stockholm')
  const back = await value('RETURN $p', { p: sent })
  assert.equal(back.timeZoneId, 'Europe/Stockholm')
  assert.equal(back.hour.toNumber(), 12)
})

test('stored properties come back', async () => {
  const names = ['true', 'integer max', 'float', 'unicode', 'date', 'time', 'local time', 'local date-time',
    'date-time with offset', 'duration', 'point 2d', 'point 3d', 'list of 300']
  const properties = {}
  names.forEach((name, i) => { properties['p' + i] = plain[name] })
  const back = await value('CREATE (n:Stored) SET n = $p RETURN n', { p: properties })
  names.forEach((name, i) => assert.deepEqual(back.properties['p' + i], plain[name], name))
})

test('nodes, relationships and paths', async () => {
  const [record] = await rows("CREATE p = (a:Left:Both {x: 1})-[r:LINK {y: 2}]->(b:Both) RETURN a, r, b, p, elementId(a) AS ea, id(a) AS ia")
  const [a, r, b, p] = ['a', 'r', 'b', 'p'].map(key => record.get(key))
  assert.deepEqual([...a.labels].sort(), ['Both', 'Left'])
  assert.deepEqual(a.properties, { x: int(1) })
  assert.equal(r.type, 'LINK')
  assert.deepEqual(r.properties, { y: int(2) })
  assert.deepEqual(r.start, a.identity)
  assert.equal(r.startNodeElementId, a.elementId)
  assert.equal(r.endNodeElementId, b.elementId)
  assert.equal(record.get('ea'), a.elementId)
  assert.deepEqual(record.get('ia'), a.identity)
  assert.equal(p.length, 1)
  assert.equal(p.start.elementId, a.elementId)
  assert.equal(p.segments[0].relationship.elementId, r.elementId)
  const back = await value('MATCH p = (b:Both)<-[:LINK]-(:Left) WHERE elementId(b) = $e RETURN p', { e: b.elementId })
  assert.equal(back.start.elementId, b.elementId)
  assert.equal(back.end.elementId, a.elementId)
})

test('a plain number is a float', async () => {
  assert.equal(await value('RETURN $p + 1', { p: 1.25 }), 2.25)
  await assert.rejects(rows('UNWIND [1, 2] AS x RETURN x LIMIT $n', { n: 1.5 }), /Neo|LIMIT|integer/i)
})

test('errors have their codes and leave the session usable', async () => {
  await withSession({}, async session => {
    await assert.rejects(session.run('RETRUN 1'), { code: 'Neo.ClientError.Statement.SyntaxError' })
    await assert.rejects(session.run('RETURN $missing'), { code: 'Neo.ClientError.Statement.ParameterMissing' })
    await assert.rejects(session.run('RETURN 1 / 0'), { code: 'Neo.ClientError.Statement.ArithmeticError' })
    await assert.rejects(session.run('CALL no.such.thing()'), { code: 'Neo.ClientError.Procedure.ProcedureNotFound' })
    assert.equal((await session.run('RETURN 1 AS x')).records.length, 1)
  })
  await assert.rejects(rows('RETURN 1', {}, { database: 'other' }), { code: 'Neo.ClientError.Database.DatabaseNotFound' })
})

test('a failing statement dooms its transaction', async () => {
  await withSession({}, async session => {
    const tx = await session.beginTransaction()
    await tx.run('CREATE (:Doomed)')
    await assert.rejects(tx.run('RETRUN 1'))
    await assert.rejects(tx.commit())
    assert.equal((await session.run('MATCH (d:Doomed) RETURN count(d) AS c')).records[0].get('c').toNumber(), 0)
  })
})

test('read mode refuses writes', async () => {
  await assert.rejects(rows('CREATE (:Never)', {}, { defaultAccessMode: neo4j.session.READ }),
    { code: 'Neo.ClientError.Statement.AccessMode' })
})

test('bookmarks chain sessions', async () => {
  const bookmarks = await withSession({}, async session => {
    await session.run('CREATE (:Chained {n: 7})')
    return session.lastBookmarks()
  })
  assert.equal(bookmarks.length, 1)
  const found = await rows('MATCH (c:Chained) RETURN c.n AS n', {}, { bookmarks })
  assert.equal(found[0].get('n').toNumber(), 7)
  await assert.rejects(rows('RETURN 1', {}, { bookmarks: ['FB:kcwQnotours'] }),
    { code: 'Neo.ClientError.Transaction.InvalidBookmark' })
})

test('a long statement is cancelled when its session closes', async () => {
  const one = driverOf('bolt', { maxConnectionPoolSize: 1, connectionAcquisitionTimeout: 20000 })
  try {
    const session = one.session()
    const running = session.run(slow).then(() => 'finished', error => error)
    await new Promise(resolve => setTimeout(resolve, 500))
    const start = Date.now()
    await session.close()
    await running
    const { records } = await one.executeQuery('RETURN 1 AS x')
    assert.equal(records[0].get('x').toNumber(), 1)
    assert.ok(Date.now() - start < 15000, `took ${Date.now() - start} ms`)
  } finally {
    await one.close()
  }
})

test('a transaction time-out ends a long statement', async () => {
  const start = Date.now()
  await assert.rejects(withSession({}, s => s.run(slow, {}, { timeout: 300 })),
    error => /TransactionTimedOut/.test(error.code))
  assert.ok(Date.now() - start < 15000)
})

test('a large result arrives whole, and a slow reader gets it too', async () => {
  const count = 200000
  await withSession({ fetchSize: 5000 }, async session => {
    let seen = 0, sum = 0
    for await (const record of session.run('UNWIND range(1, $n) AS x RETURN x, "some text to make it longer" AS t', { n: int(count) })) {
      sum += record.get('x').toNumber()
      if (++seen % 20000 === 0) await new Promise(resolve => setTimeout(resolve, 50))
    }
    assert.equal(seen, count)
    assert.equal(sum, count * (count + 1) / 2)
  })
})

test('stopping in the middle of a result discards the rest', async () => {
  await withSession({ fetchSize: 100 }, async session => {
    let seen = 0
    for await (const record of session.run('UNWIND range(1, 1000000) AS x RETURN x')) {
      assert.ok(record)
      if (++seen === 150) break
    }
    assert.equal((await session.run('RETURN 1 AS x')).records.length, 1)
  })
})

test('conflicting managed transactions are retried until all have happened', async () => {
  await rows('CREATE (:Counter {n: 0})')
  await Promise.all(Array.from({ length: 20 }, () =>
    withSession({}, s => s.executeWrite(tx => tx.run('MATCH (c:Counter) SET c.n = c.n + 1')))))
  assert.equal((await value('MATCH (c:Counter) RETURN c.n')).toNumber(), 20)
})

test('many sessions at once', async () => {
  const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => value('UNWIND range(1, $n) AS x RETURN sum(x)', { n: int(i) })))
  sums.forEach((sum, i) => assert.equal(sum.toNumber(), i * (i + 1) / 2))
})

test('EXPLAIN gives a plan', async () => {
  const { summary, records } = await withSession({}, s => s.run('EXPLAIN MATCH (n:Managed) RETURN n'))
  assert.equal(records.length, 0)
  assert.equal(typeof summary.plan.operatorType, 'string')
})

const main = async () => {
  driver = driverOf('neo4j')
  for (const { name, run } of tests) {
    let timer
    try {
      await Promise.race([run(), new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('no end after 60 s')), 60000)
      })])
      console.log(`ok ${name}`)
    } catch (error) {
      console.log(`not ok ${name}: ${error.code ?? ''} ${String(error.message).split('\n').slice(0, 8).join(' | ')}`)
      process.exitCode = 1
    }
    clearTimeout(timer)
  }
  await driver.close()
  setTimeout(() => process.exit(), 2000).unref()
}
main()
