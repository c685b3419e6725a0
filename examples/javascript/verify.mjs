// Verifies an evmthread agreement with viem and nothing of evmthread: verify(domain, terms, bytes) gives the digest that
// was signed, or throws a Refusal whose `check` names the first check that fails. docs/pinned.md has the bytes.
import { fromRlp, hashTypedData, recoverAddress, size, slice, toRlp } from 'viem'

const members = (list) => list.split(',').map((each) => { const [type, name] = each.split(' '); return { type, name } })
export const types = Object.fromEntries(Object.entries({
  Terms: 'address origin,bytes32 codeHash,bytes32 ruleset,address asset,address[] keys,address[] owners,uint256[] deposits,uint8 threshold,address operator,uint256 maxFee,uint32 challengePeriod,uint64 openBefore,uint256 salt',
  Commitment: 'bytes32 threadId,uint64 nonce,bytes32 parent,uint8 status,address awaiting,bytes32 stateRoot,bytes32 storageRoot,bytes32 machineHash,bytes32 batchHash,bytes32 receiptsRoot,uint64 gasUsed,uint256[] balances,uint256 fee',
}).map(([name, list]) => [name, members(list)]))
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const MAX_BYTES = 4096
const zero = (hex) => BigInt(hex) === 0n, sum = (numbers) => numbers.reduce((total, each) => total + BigInt(each), 0n)

export class Refusal extends Error { constructor(check, why) { super(`${check}: ${why}`); this.check = check } }
const wanted = (holds, check, why) => { if (!holds) throw new Refusal(check, why) }

export const digest = (domain, primaryType, message) =>
  hashTypedData({ domain, types: { [primaryType]: types[primaryType] }, primaryType, message })

function member(type, item) {
  wanted(Array.isArray(item) === type.endsWith('[]'), 'DecodingError', `${type} is wanted`)
  if (Array.isArray(item)) return item.map((each) => member(type.slice(0, -2), each))
  if (type === 'bytes') return item
  if (type.startsWith('uint')) {
    wanted(!item.startsWith('0x00') && size(item) <= Number(type.slice(4)) / 8, 'DecodingError', `${type} ${item}`)
    return item === '0x' ? 0n : BigInt(item)
  }
  wanted(size(item) === (type === 'address' ? 20 : 32), 'DecodingError', `${type} of ${size(item)} bytes`)
  return item
}

function decode(bytes) {
  let item
  wanted(size(bytes) <= MAX_BYTES && bytes.startsWith('0x01') && size(bytes) > 1, 'DecodingError', 'version or length')
  try { item = fromRlp(slice(bytes, 1)) } catch (error) { throw new Refusal('DecodingError', error.message) }
  wanted(toRlp(item) === `0x${bytes.slice(4)}`, 'DecodingError', 'no canonical RLP')
  wanted(Array.isArray(item) && item.length === 3 && Array.isArray(item[0]), 'DecodingError', '3 items are wanted')
  wanted(item[0].length === types.Commitment.length, 'DecodingError', '13 items are wanted')
  const commitment = Object.fromEntries(types.Commitment.map(({ type, name }, i) => [name, member(type, item[0][i])]))
  return { commitment, bitmap: Number(member('uint16', item[1])), signatures: member('bytes[]', item[2]) }
}

/** The first clause of well-formedness that a commitment breaks, or null. */
export function brokenClause(terms, c) {
  const suspended = Number(c.status) === 1, owner = terms.owners.some((each) => BigInt(each) === BigInt(c.awaiting))
  if (Number(c.status) > 2) return 'status <= 2'
  if (c.balances.length !== terms.owners.length) return 'one balance for each owner'
  if (BigInt(c.fee) > BigInt(terms.maxFee)) return 'fee <= maxFee'
  if (!zero(c.machineHash) !== suspended) return 'machineHash non-zero exactly when status is 1'
  if (suspended ? !owner : !zero(c.awaiting)) return 'awaiting an owner when status is 1, else zero'
  if (zero(c.parent) !== (BigInt(c.nonce) === 0n)) return 'parent zero exactly when nonce is 0'
  if (sum(c.balances) + BigInt(c.fee) > sum(terms.deposits)) return 'sum(balances) + fee <= sum(deposits)'
  return BigInt(c.nonce) === 0n && Number(c.status) !== 0 ? 'status 0 when nonce is 0' : null
}

/** Who signed, where the 65 bytes r ++ s ++ v are a signature that may be accepted. */
export async function signer(hash, signature) {
  wanted(size(signature) === 65, 'MalformedSignature', `${size(signature)} bytes`)
  const r = BigInt(slice(signature, 0, 32)), s = BigInt(slice(signature, 32, 64)), v = Number(slice(signature, 64))
  wanted(r > 0n && r < ORDER && s > 0n && s <= HALF_ORDER && (v === 27 || v === 28), 'MalformedSignature', 'r, s or v')
  try { return await recoverAddress({ hash, signature }) } catch { throw new Refusal('MalformedSignature', 'no key') }
}

export async function verify(domain, terms, bytes) {
  const { commitment, bitmap, signatures } = decode(bytes)
  wanted(commitment.threadId === digest(domain, 'Terms', terms), 'WrongThread', commitment.threadId)
  const clause = brokenClause(terms, commitment)
  wanted(clause === null, 'IllFormedCommitment', clause)
  const indexes = terms.keys.map((_, i) => i).filter((i) => (bitmap >> i) & 1)
  const all = commitment.nonce === 0n || commitment.status === 2n
  wanted(bitmap >> terms.keys.length === 0, 'UnknownSigner', bitmap)
  wanted(indexes.length === signatures.length, 'SignatureCount', signatures.length)
  wanted(indexes.length >= (all ? terms.keys.length : Number(terms.threshold)), 'NotEnoughSignatures', indexes.length)
  const hash = digest(domain, 'Commitment', commitment)
  for (const [place, i] of indexes.entries())
    wanted(BigInt(await signer(hash, signatures[place])) === BigInt(terms.keys[i]), 'WrongSignature', i)
  return hash
}
