import { CampanileError } from '../errors.js';
import type { ProblemCode } from '../problems.js';

const RETRY_AFTER_SECONDS = 10;

/** Who may have an answer that takes long: at most `most` in this process, and `perTenant` of one tenant, who keeps out no other. */
export class Slots {
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(
    private readonly most: number,
    private readonly perTenant: number,
    /** What they are, in the plural. */
    private readonly what: string,
    private readonly codes: { tooMany: ProblemCode; busy: ProblemCode },
  ) {}

  /** Takes a slot; what it returns gives it back. Throws a CampanileError with one of the codes. */
  take(tenantId: string): () => void {
    const own = this.#taken.get(tenantId) ?? 0;
    if (own >= this.perTenant) {
      throw new CampanileError(
        this.codes.tooMany,
        `${own} ${this.what} of this tenant are under way: wait until one has ended`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    if (this.#all >= this.most) {
      throw new CampanileError(this.codes.busy, `too many ${this.what} are under way: try again later`, {
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
