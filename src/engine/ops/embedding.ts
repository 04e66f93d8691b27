// Rows of a table by number, with their derivative: the table's gradient is summed in a fixed order.
import * as kernels from '../../kernels/embedding.js'
import type { Tensor } from '../tensor.js'

/**
 * `table[ids[i]]`: an embedding's row for each id.
 * @param table shape (rows, width)
 * @param ids i32, any shape, each in 0 … rows − 1. The caller checks that: other ids give the last row, and no error
 * @returns shape (…ids, width)
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  const { engine } = table
  const [rows, width] = table.shape
  const y = engine.tensor([...ids.shape, width], table.dtype)
  engine.dispatch(kernels.embedding, { table, ids, y }, { ids: ids.size, rows, width })
  return engine.record(y, [table], dy => [
    (into, accumulate) =>
      engine.dispatch(
        kernels.embeddingBackward,
        { ids, dy, dTable: into },
        { rows, width, batch: 1, length: ids.size, prefix: 0, factor: 1, accumulate },
      ),
  ])
}
