/** How the name of a sandbox node ends. No admin can name a real node so: CAMPANILE_NODE takes no slash. */
const SANDBOX = '/test';

/** The name of the sandbox node that runs beside a node. */
export function sandboxNameOf(node: string): string {
  return node + SANDBOX;
}

/** Whether a node calls nobody: it claims test campaigns, and no other node does. */
export function isSandbox(node: string): boolean {
  return node.endsWith(SANDBOX);
}
