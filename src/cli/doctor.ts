/** `campanile doctor` */
export async function doctor(_args: string[]): Promise<number> {
  return 1;
}
