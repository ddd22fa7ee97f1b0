import { afterAll, beforeAll } from 'vitest';
import { type ApiFixture, type ApiOptions, startApi } from './client.js';
import { createEquipped, type Equipped } from './fixtures.js';
import { hearNotifications, type Notifications } from './notifications.js';

// What the tests of a file share. Each is made before the first test, in the order in which a file asks for them, and
// ended after the last one in the opposite order; until then the object that is returned is empty.

/** The API on a database of its own. */
export function useApi(options?: ApiOptions): ApiFixture {
  const api = {} as ApiFixture;
  beforeAll(async () => {
    Object.assign(api, await startApi(options));
  });
  afterAll(() => api.stop());
  return api;
}

/** A tenant with a trunk, a message, a suppression list and an API key. */
export function useTenant(api: ApiFixture, changes?: object): Equipped {
  const tenant = {} as Equipped;
  beforeAll(async () => {
    Object.assign(tenant, await createEquipped(api, changes));
  });
  return tenant;
}

/** What the API notifies from then on. */
export function useNotifications(api: ApiFixture): Notifications {
  const notifications = {} as Notifications;
  beforeAll(async () => {
    Object.assign(notifications, await hearNotifications(api.db.url));
  });
  afterAll(() => notifications.stop());
  return notifications;
}
