import { z } from 'zod';
import { DESTINATION_KINDS, PBX_NAME } from '../../calls/flow/transfer.js';
import { e164, name, ports, time, uuid } from './common.js';

const roomFor = ports.meta({
  description:
    'Calls that may ring or talk there at once; while all are in use, the flow goes on at `on_full`',
});
const pbxName = z
  .string()
  .regex(PBX_NAME, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
  .meta({ example: 'frontdesk' });
const trunkId = uuid.nullable().meta({
  description:
    'The trunk that the number is dialled over, a port of which each transfer takes; null: the one that the call itself is on',
});

const number = z.strictObject({
  name,
  kind: z.literal('number'),
  target: e164,
  trunk_id: trunkId.default(null),
  ports: roomFor,
});
const extension = z.strictObject({
  name,
  kind: z.literal('extension').meta({ description: 'In the context campanile-transfer of the dialplan' }),
  target: pbxName,
  ports: roomFor,
});
const queue = z.strictObject({ name, kind: z.literal('queue'), target: pbxName, ports: roomFor });

export const newTransferDestination = z
  .discriminatedUnion('kind', [number, extension, queue])
  .meta({ id: 'NewTransferDestination', description: 'Only an admin may set extensions and queues' });

export const transferDestinationChanges = z
  .strictObject({
    name: name.exactOptional(),
    target: z.string().exactOptional().meta({ description: 'As its `kind`, which stays, has it' }),
    trunk_id: trunkId.exactOptional(),
    ports: roomFor.exactOptional(),
  })
  .meta({ id: 'TransferDestinationChanges', description: 'They hold for the next transfer' });

export const transferDestination = z
  .strictObject({
    id: uuid,
    name: z.string(),
    kind: z.enum(DESTINATION_KINDS),
    target: z.string(),
    trunk_id: uuid.nullable(),
    ports: z.int(),
    ports_in_use: z.int().min(0).meta({ description: 'Calls that ring or talk there, now' }),
    created_at: time,
  })
  .meta({ id: 'TransferDestination' });
