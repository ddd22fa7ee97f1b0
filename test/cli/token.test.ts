import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createCallTokens, INBOUND } from '../../src/agi/token.js';
import { secretKeyOf, verifyToken } from '../../src/api/token.js';
import { token } from '../../src/cli/token.js';
import { loadConfig, loadSecret } from '../../src/config.js';
import { newId } from '../../src/ids.js';
import { usePrinted } from './printed.js';

describe('campanile token', () => {
  let dir: string;
  const printed = usePrinted();

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'campanile-token-'));
    vi.stubEnv('CAMPANILE_DATA', dir);
  });
  afterEach(() => rm(dir, { recursive: true }));

  const principal = async () =>
    verifyToken(secretKeyOf(await loadSecret(loadConfig({ CAMPANILE_DATA: dir }))), printed.text().trim());

  it("issues a tenant's token that the installation's secret verifies", async () => {
    const tenantId = newId();
    expect(await token(['--tenant', tenantId])).toBe(0);
    expect(await principal()).toEqual({ role: 'tenant', tenantId });
  });

  it('prints the globals by which the dialplan reaches FastAGI and is believed', async () => {
    expect(await token(['--inbound'])).toBe(0);
    const secret = await loadSecret(loadConfig({ CAMPANILE_DATA: dir }));
    const [, url, given] = /^CAMPANILE_INBOUND=(\S+)\nCAMPANILE_INBOUND_TOKEN=(\S+)\n$/.exec(printed.text())!;
    expect(url).toBe('agi://127.0.0.1:4573');
    expect(createCallTokens(secret).isTokenFor(INBOUND, given!)).toBe(true);
    expect(createCallTokens(secret).isTokenFor('another', given!)).toBe(false);
  });

  it("issues a viewer's token", async () => {
    const tenantId = newId();
    expect(await token(['--viewer', '--tenant', tenantId])).toBe(0);
    expect(await principal()).toEqual({ role: 'viewer', tenantId });
  });

  it('refuses to issue one for a viewer of nobody', async () => {
    await expect(token(['--viewer'])).rejects.toThrow('either --tenant ID or --admin');
    await expect(token(['--viewer', '--admin'])).rejects.toThrow('--tenant ID --viewer');
    expect(printed.text()).toBe('');
  });

  it("issues an admin's token", async () => {
    expect(await token(['--admin', '--ttl', '1h'])).toBe(0);
    expect(await principal()).toEqual({ role: 'admin', tenantId: null });
  });

  it.each([
    ['nobody', []],
    ['both', ['--admin', '--tenant', 'x']],
  ])('refuses to issue one for %s', async (_, args) => {
    await expect(token(args)).rejects.toThrow('either --tenant ID or --admin');
    expect(printed.text()).toBe('');
  });

  it('refuses a tenant that is no id, and a duration that is none', async () => {
    await expect(token(['--tenant', 'hospital'])).rejects.toThrow('is not the id of a tenant');
    await expect(token(['--admin', '--ttl', 'soon'])).rejects.toThrow();
  });
});
