// Runs the verifier on the vectors: node vectors.mjs FILE. Every digest, clause, signer and verdict must agree.
import { readFileSync } from 'node:fs'
import { hashStruct, hashTypedData } from 'viem'
import { Refusal, brokenClause, digest, signer, types, verify } from './verify.mjs'

const vectors = JSON.parse(readFileSync(process.argv[2], 'utf8'))
let checked = 0
const wrong = []
const same = (what, got, expected) => {
  checked += 1
  if (String(got).toLowerCase() !== String(expected).toLowerCase()) wrong.push(`${what}: got ${got}, expected ${expected}`)
}
const verdict = async (action) => {
  try { return ['null', await action()] } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return [error.check, 'null']
  }
}
// "Batch(...)Environment(...)Input(...)" as viem takes it: { Batch: [{ type, name }, ...], Environment: ..., Input: ... }
const parsed = (encoded) => Object.fromEntries([...encoded.matchAll(/(\w+)\((.*?)\)/g)].map(([, name, list]) =>
  [name, list.split(',').map((each) => { const [type, member] = each.split(' '); return { type, name: member } })]))
const signs = async (type, value, signature) => {
  const hash = hashTypedData({ domain: vectors.domain, types: parsed(vectors.types[type]), primaryType: type, message: value })
  return (await verdict(() => signer(hash, signature)))[1].toLowerCase()
}

for (const [name, members] of Object.entries(types)) same(name, JSON.stringify(parsed(vectors.types[name])[name]), JSON.stringify(members))
for (const each of vectors.threads) same('threadId', digest(each.domain, 'Terms', vectors.namedTerms[each.terms]), each.threadId)
for (const { type, value, ...each } of vectors.structs) {
  const all = { types: parsed(vectors.types[type]), primaryType: type }
  same(`${type}: hashStruct`, hashStruct({ ...all, data: value }), each.hashStruct)
  same(`${type}: digest`, hashTypedData({ ...all, domain: vectors.domain, message: value }), each.digest)
}
for (const each of vectors.commitments) same('clause', brokenClause(vectors.namedTerms[each.terms], each.value), each.clause)
for (const each of vectors.signatures) {
  const [, who] = await verdict(() => signer(each.digest, each.signature))
  same(`signature ${each.reason ?? ''}`, who, each.signer)
}
for (const each of vectors.agreements) {
  const [check, hash] = await verdict(() => verify(vectors.domain, vectors.namedTerms[each.terms], each.bytes))
  same(`${each.what}: check`, check, each.check)
  same(`${each.what}: digest`, hash, each.digest)
}
for (const each of vectors.chains) {
  const found = []
  for (const bytes of each.agreements) found.push((await verdict(() => verify(vectors.domain, vectors.namedTerms[each.terms], bytes)))[1])
  if (each.check === null) same(`${each.what}: digests`, [...new Set(found)].sort(), [...each.line, ...each.superseded].sort())
}
for (const each of vectors.keyGrants.filter(({ check }) => ['WrongSignature', 'MalformedSignature', null].includes(check)))
  same(`key grant ${each.what}`, await signs('KeyGrant', each.value, each.signature) === each.value.owner.toLowerCase(), each.check === null)
for (const [section, type] of [['equivocations', 'Commitment'], ['inputEquivocations', 'Input']])
  for (const { check, what, terms, value } of vectors[section].filter(({ check }) => ['WrongSignature', null].includes(check))) {
    const { keys, owners, operator } = vectors.namedTerms[terms]
    const key = [...keys, operator][value.index ?? owners.indexOf(value.first.actor)]  // an operator that is no party proposes, too
    const both = [await signs(type, value.first, value.firstSignature), await signs(type, value.second, value.secondSignature)]
    same(`${section} ${what}`, both.every((each) => each === key), check === null)
  }
console.log(`${checked} checks, ${wrong.length} wrong`)
for (const line of wrong) console.log(line)
process.exitCode = wrong.length || !checked ? 1 : 0
