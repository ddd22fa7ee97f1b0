import { describe, expect, it } from 'vitest';
import { createBacklog } from '../../src/spool/backlog.js';

describe('what could not be processed', () => {
  it('waits, longer each time, up to five seconds; what is new does not wait with it', () => {
    const backlog = createBacklog();
    let now = 0;
    for (const pause of [500, 1000, 2000, 4000, 5000, 5000]) {
      backlog.delay(['a'], now, false);
      expect(backlog.select(['a', 'new'], now + pause - 1)).toEqual([['new']]);
      expect(backlog.select(['a', 'new'], now + pause)).toEqual([['new'], ['a']]);
      now += pause;
    }
  });

  it('is tried again in two halves, until one bad file stands alone', () => {
    const backlog = createBacklog();
    backlog.delay(['a', 'b', 'c', 'bad'], 0, true);
    expect(backlog.select(['a', 'b', 'c', 'bad'], 500)).toEqual([
      ['a', 'b'],
      ['c', 'bad'],
    ]);
    backlog.delay(['c', 'bad'], 500, true);
    expect(backlog.select(['c', 'bad'], 1500)).toEqual([['c'], ['bad']]);
  });

  it('stays together where splitting is of no use', () => {
    const backlog = createBacklog();
    backlog.delay(['a', 'b'], 0, false);
    expect(backlog.select(['a', 'b'], 500)).toEqual([['a', 'b']]);
  });

  it('is forgotten when it is gone', () => {
    const backlog = createBacklog();
    backlog.delay(['a'], 0, false);
    backlog.retain([]);
    expect(backlog.select(['a'], 0)).toEqual([['a']]);
  });
});
