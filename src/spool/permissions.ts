/** Who call files are given to. */
export interface Owner {
  uid: number;
  gid: number;
}

interface Rights extends Owner {
  mode: number;
}

/** Whether a user with no further groups can make files in a directory of these rights. */
export function canWrite(user: Owner, directory: Rights): boolean {
  return (bitsFor(user, directory) & 0o3) === 0o3;
}

/** Whether a user with no further groups can reach what lies in a directory of these rights. */
export function canEnter(user: Owner, directory: Rights): boolean {
  return (bitsFor(user, directory) & 0o1) === 0o1;
}

/** The three permission bits that apply to a user. */
function bitsFor(user: Owner, { uid, gid, mode }: Rights): number {
  if (user.uid === 0) return 0o7;
  return mode >> (uid === user.uid ? 6 : gid === user.gid ? 3 : 0);
}

// statfs(2) f_type, from linux/magic.h and the filesystems' own headers.
const NETWORK_FILESYSTEMS = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0x517b, 'SMB'],
  [0x00c36400, 'CephFS'],
  [0x5346414f, 'AFS'],
  [0x01021997, '9p'],
]);

/** The network filesystem that a statfs type is, or null: inotify does not work reliably on these. */
export function networkFilesystem(type: number): string | null {
  return NETWORK_FILESYSTEMS.get(type >>> 0) ?? null;
}
