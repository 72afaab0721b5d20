import { describeChecks } from './checks'

describeChecks('a panel to talk to a model, over a real kernel', 'chat.py')
