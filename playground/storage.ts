// The browser's own storage: the last training with its curves, its state and its data, in one IndexedDB database.
import type { StoredSummary } from './protocol.js'

export interface StoredTraining extends StoredSummary {
  /** A file of `saveTraining`. */
  state: Uint8Array<ArrayBuffer>
  /** The model with averaged parameters, as a checkpoint. */
  checkpoint: Uint8Array<ArrayBuffer>
}

/** The table that a training was given; generated puzzles need none. */
export interface StoredData {
  name: string
  bytes: Uint8Array<ArrayBuffer>
}

const [STORE, TRAINING, DATA] = ['kept', 'training', 'data']

/**
 * Replaces what is kept, in one transaction: after a crash either the old state or the new one is whole.
 * @param data only with the first state of a training
 */
export async function keepTraining(training: StoredTraining, data?: StoredData | 'none'): Promise<void> {
  await transact('readwrite', store => {
    store.put(training, TRAINING)
    if (data === 'none') store.delete(DATA)
    else if (data) store.put(data, DATA)
  })
}

export async function keptTraining(): Promise<StoredTraining | undefined> {
  return transact('readonly', store => store.get(TRAINING))
}

export async function keptData(): Promise<StoredData | undefined> {
  return transact('readonly', store => store.get(DATA))
}

export async function forgetTraining(): Promise<void> {
  await transact('readwrite', store => void store.clear())
}

/** Resolves with what the request gave when the transaction is complete. */
async function transact<T>(
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T> | void,
): Promise<T> {
  const database = await open()
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: 'strict' })
      const request = work(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(request?.result as T)
      transaction.onabort = () => reject(failure(transaction.error))
    })
  } finally {
    database.close()
  }
}

async function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('webgpu-trm playground', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(failure(request.error))
  })
}

function failure(error: DOMException | null): Error {
  return new Error(
    error?.name === 'QuotaExceededError'
      ? 'storage: the browser gives this page no more room — free some, or download the checkpoint'
      : `storage: ${error?.message ?? 'it failed'}`,
  )
}
