import { CampanileError } from '../errors.js';

const RETRY_AFTER_SECONDS = 10;

/** Who may export now: at most `most` in this process, and `perTenant` of one tenant, so that none keeps out the others. */
export class ExportSlots {
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(
    private readonly most: number,
    private readonly perTenant: number,
  ) {}

  /** Takes a slot; what it returns gives it back. Throws a CampanileError: 429 (`too_many_exports`) or 503 (`exports_busy`). */
  take(tenantId: string): () => void {
    const own = this.#taken.get(tenantId) ?? 0;
    if (own >= this.perTenant) {
      throw new CampanileError(
        'too_many_exports',
        `${own} exports of this tenant are under way: wait until one has ended`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    if (this.#all >= this.most) {
      throw new CampanileError('exports_busy', 'too many exports are under way: try again later', {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    this.#taken.set(tenantId, own + 1);
    this.#all += 1;
    return () => this.#giveBack(tenantId);
  }

  #giveBack(tenantId: string): void {
    const left = this.#taken.get(tenantId)! - 1;
    if (left > 0) this.#taken.set(tenantId, left);
    else this.#taken.delete(tenantId);
    this.#all -= 1;
  }
}
