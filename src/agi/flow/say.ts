import type { Saying } from '../../calls/flow/say.js';
import type { AgiSession } from '../session.js';

/** How Asterisk says moments (say.c): A weekday, B month, d day, Y year, I hour of 12, H of 24, M minute, p am or pm. */
const FORMATS = {
  en: { date: 'BdY', time: 'IMp', datetime: "BdY 'digits/at' IMp" },
  others: { date: 'dBY', time: 'HM', datetime: 'dBY HM' },
} as const;

/**
 * Says something with the files of Asterisk's prompt packages in `language` (BCP 47), until one of `keys` is pressed, which it
 * returns; other keys are not heard meanwhile. Of a language whose files are not there Asterisk takes the English ones, as far as
 * these go.
 * @throws HangupError when the call ends; AgiCommandError where a file is missing in English too: it stops there
 */
export async function say(
  session: AgiSession,
  saying: Saying,
  language: string,
  keys: string,
): Promise<string | null> {
  // The dialplan may have set another one for this call, which nothing after us needs.
  await session.setVariable('CHANNEL(language)', language.replaceAll('-', '_'));
  switch (saying.as) {
    case 'number':
      return session.say('SAY NUMBER', [saying.text, keys]);
    case 'digits':
      return session.say('SAY DIGITS', [saying.text, keys]);
    case 'characters':
      return session.say('SAY ALPHA', [saying.text, keys]);
    case 'money':
      return sayMoney(session, saying.text, keys);
    default:
      return sayMoment(session, saying, language, keys);
  }
}

async function sayMoment(
  session: AgiSession,
  { as, at }: Extract<Saying, { at: Date }>,
  language: string,
  keys: string,
): Promise<string | null> {
  const formats = FORMATS[/^en(-|$)/.test(language) ? 'en' : 'others'];
  return session.say('SAY DATETIME', [String(at.getTime() / 1000), keys, formats[as], 'UTC']);
}

/** There is no command for it, and Asterisk's own way (SAYFILES) wants a file "cents" that no package has: twelve dollars and fifty. */
async function sayMoney(session: AgiSession, amount: string, keys: string): Promise<string | null> {
  const [dollars, cents] = amount.split('.').map(Number) as [number, number];
  const number = (value: number) => () => session.say('SAY NUMBER', [String(value), keys]);
  const file = (name: string) => async () => (await session.play(name, keys)).digit;
  const words = [number(dollars), file('digits/dollars')];
  if (cents > 0) words.push(file('vm-and'), number(cents));
  for (const word of words) {
    const digit = await word();
    if (digit !== null) return digit;
  }
  return null;
}
