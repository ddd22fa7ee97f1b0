import { z } from 'zod';
import { CONTACT_STATES } from '../../calls/states.js';
import { findCampaignById, lockCampaign, notifyDue } from '../../db/campaigns.js';
import { findNeededFields } from '../../db/contact-fields.js';
import { insertContacts, listContacts, lockUploads } from '../../db/contacts.js';
import { isStoring } from '../../db/imports.js';
import type { Tx } from '../../db/pool.js';
import { CampanileError } from '../../errors.js';
import { newId } from '../../ids.js';
import { checkOpen } from '../campaign-open.js';
import { type CheckedContacts, checkContacts } from '../contact-check.js';
import { checkContactLimit } from '../contact-limit.js';
import { readContacts } from '../contact-rows.js';
import { notFound } from '../problem.js';
import { route } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { added, contact, contactsCsv, newContacts } from '../schemas/contact.js';
import { atMost } from '../turns.js';

const MAX_BYTES = 10 * 1024 * 1024;

// Each upload holds a connection of the db, for long when it waits for another one to the same campaign: without a
// limit, one tenant could keep everybody else from the database.
const inTurn = atMost(2);

export const addContacts = route({
  method: 'post',
  path: '/v1/campaigns/{id}/contacts',
  access: 'tenant',
  summary:
    'Add contacts: all of them, or none when one is wrong. A number that is there already is left as it is',
  upload: { content: { 'application/json': newContacts, 'text/csv': contactsCsv }, limit: MAX_BYTES },
  status: 201,
  answer: added,
  problems: ['csv_invalid', 'too_many_contacts', 'campaign_ended', 'import_storing', 'contact_limit'],
  async handle({ db, change, tenant, id, upload }) {
    const campaign = await findCampaignById(db, tenant.id, id);
    if (!campaign) throw notFound('campaign');
    checkOpen(campaign.status);
    if (await isStoring(db, tenant.id, id)) throw importStoring();
    return inTurn(async () => {
      const neededFields = await findNeededFields(db, tenant.id, campaign);
      const rules = { region: tenant.default_region, neededFields };
      const contacts = await checkContacts(readContacts(upload), rules);
      return change((tx) => store(tx, tenant.id, id, contacts));
    });
  },
});

async function store(tx: Tx, tenantId: string, id: string, { unique, rows }: CheckedContacts) {
  await lockUploads(tx, tenantId, id);
  const fresh = unique.map((checked) => ({ id: newId(), ...checked }));
  // In the order of the unique index, so that nobody who inserts the same numbers is waited for in a circle. The ids
  // keep the order in which they came, which is the one they are called in.
  fresh.sort((a, b) => (a.number < b.number ? -1 : 1));
  const inserted = await insertContacts(tx, tenantId, id, fresh);
  // Locked only now, for the same reason that insertContacts is one statement. Nothing waits for rows it cannot see
  // yet, so this order is safe here and nowhere else.
  const campaign = await lockCampaign(tx, tenantId, id);
  if (!campaign) throw notFound('campaign');
  checkOpen(campaign.status);
  await checkContactLimit(tx, tenantId, inserted);
  if (campaign.status === 'running') await notifyDue(tx);
  return { added: inserted, duplicates: rows - inserted };
}

/** Waiting for it would take longer than a statement may, and keep everybody's small uploads waiting behind. */
function importStoring(): CampanileError {
  return new CampanileError(
    'import_storing',
    'an import into this campaign is being stored: try again when it is completed',
  );
}

export const listCampaignContacts = route({
  method: 'get',
  path: '/v1/campaigns/{id}/contacts',
  access: 'tenant',
  summary: 'List a campaign’s contacts by number',
  query: pageQuery.extend({ state: z.enum(CONTACT_STATES).optional() }),
  answer: listSchema(contact),
  async handle({ db, tenant, id, query }) {
    if (!(await findCampaignById(db, tenant.id, id))) throw notFound('campaign');
    const rows = await listContacts(db, tenant.id, id, query.state ?? null, pageOf(query));
    return listOf(rows, query, (row) => row.id);
  },
});
